/** A JSON value: what a journal row, a wire frame and a payload's data are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
