/** The API key or token that this process shows to engines. */
import { PerdureError } from '../protocol/errors.ts'
import type { TokenSetting } from './token-setting.ts'

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/
/** What a header takes. */
const TOKEN = /^[\x21-\x7e]+$/

/**
 * @param what whose setting it is, such as `connect({ token })`
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function checkedToken(
  token: TokenSetting | undefined,
  urls: readonly string[],
  what: string,
): TokenSetting | undefined {
  if (token === undefined) return undefined
  if (typeof token !== 'function' && (typeof token !== 'string' || !TOKEN.test(token)))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${what} is no text of a key or token, nor a function that gives one`,
    )
  const open = urls.find((url) => !mayShowToken(url))
  if (open !== undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${what} is not sent to ${open}: without TLS everybody on the way could use it; connect to wss://…`,
    )
  return token
}

/** Over TLS, and within this machine. */
export function mayShowToken(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'wss:' || LOOPBACK.test(hostname)
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function textOf(token: TokenSetting): string {
  const text: unknown = typeof token === 'function' ? token() : token
  if (typeof text === 'string' && TOKEN.test(text)) return text
  throw new PerdureError(
    'ARGUMENT_INVALID',
    'what the function `token` has given is no text of a key or token',
  )
}
