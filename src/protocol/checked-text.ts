/** Ids and names: any store must be able to hold them. */
import { PerdureError } from './errors.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { utf8Length } from './text-bytes.ts'

/** Returns the text, or throws `ID_INVALID`: it must be a non-empty string without NUL or lone surrogates, within the limit. */
export function checkedName(
  text: unknown,
  what: string,
  limitBytes: number = DEFAULT_LIMITS.idBytes,
): string {
  if (typeof text !== 'string')
    throw new PerdureError(
      'ID_INVALID',
      `${what} is ${text === null ? 'null' : `of type ${typeof text}`}, not a string`,
    )
  if (text === '') throw new PerdureError('ID_INVALID', `${what} is empty`)
  // A UTF-16 unit takes at most 3 bytes: most texts need no counting.
  if (text.length * 3 > limitBytes && utf8Length(text) > limitBytes) {
    throw new PerdureError('ID_INVALID', `${what} is longer than ${limitBytes} bytes`)
  }
  if (text.includes('\0')) throw new PerdureError('ID_INVALID', `${what} contains NUL`)
  if (!text.isWellFormed()) throw new PerdureError('ID_INVALID', `${what} contains a lone surrogate`)
  return text
}
