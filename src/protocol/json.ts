/** A JSON value: what a journal row, a wire frame and a payload's data are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

const DEPTH_MAX = 200

/** Whether JSON has this value, all of it, as it is: no Date, no undefined, no NaN. */
export function isJson(value: unknown, depth = 0): value is Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || depth > DEPTH_MAX) return false
  if (Array.isArray(value)) return value.every((each) => isJson(each, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return false
  return Object.values(value).every((each) => isJson(each, depth + 1))
}
