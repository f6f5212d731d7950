/** How this process connects to engines and nodes. */
import { type ClientOptions, WebSocket } from 'ws'
import { endWithChannelProof } from './channel-proof.ts'
import { mayShowToken, textOf } from './shown-token.ts'
import type { TlsIdentity } from './tls.ts'
import type { TokenSetting } from './token-setting.ts'

export interface OutgoingOptions {
  /** What a `wss:` URL is connected with. Default: the authorities that Node knows, and no certificate. */
  readonly tls?: TlsIdentity | undefined
  /** An API key or a token, shown to engines; a function is asked for each connection. Never sent where others could read it. */
  readonly token?: TokenSetting | undefined
  /** Over TLS it shows that it is the end of the connection, and no proxy is. Default: false. */
  readonly showsChannel?: boolean
  /** Default: no limit. */
  readonly handshakeTimeoutMs?: number
}

export function openSocket(
  url: string,
  protocols: readonly string[],
  { tls, handshakeTimeoutMs, token, showsChannel = false }: OutgoingOptions = {},
): WebSocket {
  const options: ClientOptions = {
    perMessageDeflate: false,
    maxPayload: 0,
    ...(handshakeTimeoutMs === undefined ? {} : { handshakeTimeout: handshakeTimeoutMs }),
    ...(showsChannel ? { finishRequest: endWithChannelProof } : {}),
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
