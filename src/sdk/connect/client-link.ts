/** One connection of a client to an engine, or to a node of a cluster. */
import type { WebSocket } from 'ws'
import { connectionTrouble, isUnauthenticated } from '../../platform/connection-trouble.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { openSocket } from '../../platform/outgoing-socket.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import type { TlsIdentity } from '../../platform/tls.ts'
import type { TokenSetting } from '../../platform/token-setting.ts'
import {
  CLIENT_PROTOCOL,
  CLIENT_PROTOCOL_2,
  type ClientCall,
  type ClientCancel,
  type EngineReply,
  engineRepliesOf,
} from '../../protocol/client-messages.ts'

export interface ClientLinkHost {
  /** Between two pings: a connection that is silent for three of them is lost. */
  readonly heartbeatMs: number
  readonly tls?: TlsIdentity | undefined
  readonly token?: TokenSetting | undefined
  readonly warn: (message: string, fields?: { readonly [name: string]: unknown }) => void
  readonly onOpen: (link: ClientLink) => void
  readonly onReply: (link: ClientLink, reply: EngineReply) => void
  /** The engine is about to end: what can be asked of another node should be. */
  readonly onLeave: (link: ClientLink) => void
  /** Where the nodes of the cluster are. */
  readonly onNodes: (urls: readonly string[]) => void
  /** @param code of the WebSocket */
  readonly onClosed: (link: ClientLink, code: number) => void
}

export class ClientLink {
  readonly url: string
  isOpen = false
  isLeaving = false
  readonly #socket: WebSocket
  readonly #out: OutgoingMessages<ClientCall | ClientCancel>
  readonly #warn: ClientLinkHost['warn']
  #stopPulse = (): void => {}

  constructor(url: string, host: ClientLinkHost) {
    const { heartbeatMs, tls, token, warn } = host
    this.url = url
    this.#warn = warn
    const protocols = [CLIENT_PROTOCOL_2, CLIENT_PROTOCOL]
    const socket = openSocket(url, protocols, { tls, token, handshakeTimeoutMs: 2 * heartbeatMs })
    this.#socket = socket
    this.#out = new OutgoingMessages<ClientCall | ClientCancel>(socket)
    socket.on('open', () => {
      this.watch(heartbeatMs)
      this.isOpen = true
      host.onOpen(this)
    })
    socket.on('message', (data) => this.#onFrame(String(data), host))
    socket.on('error', (error: Error & { readonly code?: string }) =>
      warn('no connection to the engine', {
        url,
        reason: connectionTrouble(url, error),
        ...(isUnauthenticated(error) ? { isUnauthenticated: true } : {}),
        ...(error.code === undefined ? {} : { code: error.code }),
      }),
    )
    socket.on('close', (code) => {
      this.#stopPulse()
      host.onClosed(this, code)
      this.isOpen = false
    })
  }

  /** From now on it pings so often, and gives up when it hears nothing for three times as long. */
  watch(heartbeatMs: number): void {
    this.#stopPulse()
    this.#stopPulse = watchPulse(this.#socket, {
      heartbeatMs,
      onSilent: (silentMs) => this.#warn('the engine is silent', { url: this.url, silentMs }),
    })
  }

  send(message: ClientCall | ClientCancel): void {
    this.#out.send(message)
  }

  close(): void {
    this.#out.flush()
    this.#socket.close()
  }

  #onFrame(frame: string, host: ClientLinkHost): void {
    try {
      for (const message of engineRepliesOf(frame)) {
        if ('nodes' in message) host.onNodes(message.nodes)
        else if ('leave' in message) {
          this.isLeaving = true
          host.onLeave(this)
        } else host.onReply(this, message)
      }
    } catch (error) {
      host.warn('the engine said what this client does not understand', { error })
      this.#socket.close(1002)
    }
  }
}
