/** How this process connects to engines and nodes. */
import { type ClientOptions, WebSocket } from 'ws'
import type { TlsIdentity } from './tls.ts'

export interface OutgoingOptions {
  /** What a `wss:` URL is connected with. Default: the authorities that Node knows, and no certificate. */
  readonly tls?: TlsIdentity | undefined
  /** Default: no limit. */
  readonly handshakeTimeoutMs?: number
}

/** What an engine that refuses a certificate looks like from outside. */
const CUT_SHORT = /socket hang up|ECONNRESET|alert|disconnected before secure/i

/** Why there was no connection, for people: an engine does not say that it refuses a certificate. */
export function connectionTrouble(url: string, error: Error & { readonly code?: string }): string {
  const why = error.message.trim() || (error.code ?? error.name)
  if (!CUT_SHORT.test(why)) return why
  return url.startsWith('wss:')
    ? `${why} (the engine may have refused the certificate of this program, or missed it: its log says so)`
    : `${why} (the engine may want TLS: a URL like wss://…, and a certificate)`
}

export function openSocket(
  url: string,
  protocols: readonly string[],
  { tls, handshakeTimeoutMs }: OutgoingOptions = {},
): WebSocket {
  const options: ClientOptions = {
    perMessageDeflate: false,
    maxPayload: 0,
    ...(handshakeTimeoutMs === undefined ? {} : { handshakeTimeout: handshakeTimeoutMs }),
    ...(url.startsWith('wss:') ? tls?.current : {}),
  }
  return new WebSocket(url, [...protocols], options)
}
