/** How this process connects to engines and nodes. */
import { type ClientOptions, WebSocket } from 'ws'
import { PerdureError } from '../protocol/errors.ts'
import type { TlsIdentity } from './tls.ts'
import type { TokenSetting } from './token-setting.ts'

export interface OutgoingOptions {
  /** What a `wss:` URL is connected with. Default: the authorities that Node knows, and no certificate. */
  readonly tls?: TlsIdentity | undefined
  /** An API key or a token, shown to engines; a function is asked for each connection. Never sent where others could read it. */
  readonly token?: TokenSetting | undefined
  /** Default: no limit. */
  readonly handshakeTimeoutMs?: number
}

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/
/** What a header takes. */
const TOKEN = /^[\x21-\x7e]+$/
const UNAUTHENTICATED = /server response: 401/
const TOO_OFTEN = /server response: 429/

/** What an engine that refuses a certificate looks like from outside. */
const CUT_SHORT = /socket hang up|ECONNRESET|alert|disconnected before secure/i

/** The engine does not take what it was shown, or was shown nothing. */
export function isUnauthenticated({ message }: Error): boolean {
  return UNAUTHENTICATED.test(message)
}

/** Why there was no connection, for people: an engine does not say that it refuses a certificate. */
export function connectionTrouble(url: string, error: Error & { readonly code?: string }): string {
  const why = error.message.trim() || (error.code ?? error.name)
  if (isUnauthenticated(error))
    return `${why} (the engine asks who this is, and does not take what it was shown: token, or a certificate)`
  if (TOO_OFTEN.test(why)) return `${why} (this address was refused too often: it is asked again later)`
  if (!CUT_SHORT.test(why)) return why
  return url.startsWith('wss:')
    ? `${why} (the engine may have refused the certificate of this program, or missed it: its log says so)`
    : `${why} (the engine may want TLS: a URL like wss://…, and a certificate)`
}

export function openSocket(
  url: string,
  protocols: readonly string[],
  { tls, handshakeTimeoutMs, token }: OutgoingOptions = {},
): WebSocket {
  const options: ClientOptions = {
    perMessageDeflate: false,
    maxPayload: 0,
    ...(handshakeTimeoutMs === undefined ? {} : { handshakeTimeout: handshakeTimeoutMs }),
    ...(url.startsWith('wss:') ? tls?.current : {}),
  }
  if (token === undefined || !mayShowToken(url)) return new WebSocket(url, [...protocols], options)
  try {
    const headers = { authorization: `Bearer ${textOf(token)}` }
    return new WebSocket(url, [...protocols], { ...options, headers })
  } catch (error) {
    return failingSocket(url, protocols, error)
  }
}

/** What a function of the program has thrown is a failure of this connection: the next one asks it again. */
function failingSocket(url: string, protocols: readonly string[], error: unknown): WebSocket {
  const socket = new WebSocket(url, [...protocols])
  process.nextTick(() => {
    socket.emit('error', error instanceof Error ? error : new Error(String(error)))
    socket.terminate()
  })
  return socket
}

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
function mayShowToken(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'wss:' || LOOPBACK.test(hostname)
}

/** @throws PerdureError `ARGUMENT_INVALID` */
function textOf(token: TokenSetting): string {
  const text: unknown = typeof token === 'function' ? token() : token
  if (typeof text === 'string' && TOKEN.test(text)) return text
  throw new PerdureError(
    'ARGUMENT_INVALID',
    'what the function `token` has given is no text of a key or token',
  )
}
