/** What callers say of a port, and get. */
import type { TlsSettings } from '../../platform/tls.ts'
import type { Duration } from '../../protocol/duration.ts'
import type { HttpSettings } from '../http/http-settings.ts'
import type { ProxySettings } from './proxy-settings.ts'

export interface ListenOptions extends ProxySettings {
  /** Without `tls` a loopback address: `'127.0.0.1'` (default), `'::1'` or `'localhost'`; with it, any of this machine. */
  readonly host?: string
  /** Default 0: a free one; `url` says which. */
  readonly port?: number
  /** Workers are pinged this often, and lost after three pings without an answer. Default `'10s'`. */
  readonly heartbeat?: Duration
  /**
   * Mutual TLS, 1.2 or newer: `cert` and `key` of this engine, and `ca`, the authority that workers, clients and nodes must
   * have a certificate of. Default: none.
   */
  readonly tls?: TlsSettings
  /** Without TLS also beyond this machine: whoever can reach the port can read everything, and take over. Default false. */
  readonly insecureListen?: boolean
  /** Of the REST API: pages that may call it, and limits. Default: no page, and the limits that `HttpLimits` names. */
  readonly http?: HttpSettings
}

export interface Listener {
  /** Such as `ws://127.0.0.1:7233`; with TLS, `wss://…`. */
  readonly url: string
  readonly port: number
  /** Ends all connections: what runs on their workers waits again. */
  close(): Promise<void>
}
