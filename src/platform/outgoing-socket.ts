/** How this process connects to engines and nodes. */
import { type ClientOptions, WebSocket } from 'ws'
import type { TlsIdentity } from './tls.ts'

export interface OutgoingOptions {
  /** What a `wss:` URL is connected with. Default: the authorities that Node knows, and no certificate. */
  readonly tls?: TlsIdentity | undefined
  /** Default: no limit. */
  readonly handshakeTimeoutMs?: number
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
