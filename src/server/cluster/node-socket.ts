/** A connection to another node. */
import type { WebSocket } from 'ws'
import { openSocket } from '../../platform/outgoing-socket.ts'
import type { TlsIdentity } from '../../platform/tls.ts'
import { NODE_PROTOCOL } from '../../protocol/node-messages.ts'

export interface NodeSocketOptions {
  readonly tls: TlsIdentity | undefined
  readonly withinMs: number
}

export function openNodeSocket(url: string, { tls, withinMs }: NodeSocketOptions): WebSocket {
  return openSocket(url, [NODE_PROTOCOL], { tls, handshakeTimeoutMs: withinMs, showsChannel: true })
}
