/** An API key or a token, shown to engines; a function is asked for each connection. */
export type TokenSetting = string | (() => string)
