/** What a program says in `perdure.config.ts`, for `perdure start`. */
import type { TlsSettings } from '../platform/tls.ts'
import type { Duration } from '../protocol/duration.ts'
import type { EncryptionSettings } from '../sdk/encryption/encryption.ts'
import type { AccessSettings } from './access/access-settings.ts'
import type { AuditSettings } from './audit/audit-settings.ts'
import type { CoordinatorSettings } from './cluster/etcd/etcd-settings.ts'
import type { HttpSettings } from './http/http-settings.ts'
import type { ProxySettings } from './listen/proxy-settings.ts'
import type { MetricsSettings } from './metrics/metrics-settings.ts'
import type { PostgresSettings } from './postgres-settings.ts'
import type { QueueSettings } from './queue-settings.ts'

/** What `perdure.config.ts` exports as its default. */
export interface PerdureConfig extends ProxySettings {
  /** `'postgres://USER@HOST:PORT/DATABASE'`, `'sqlite:PATH'` or `'memory'`. */
  readonly store?: string
  /** URL of a streaming standby of that database, for lists and history. Default: none. */
  readonly readStore?: string
  /** Connections and time limits on PostgreSQL. */
  readonly postgres?: PostgresSettings
  /** Files that export workflows and tasks, from the directory of the configuration. */
  readonly workflows?: string | readonly string[]
  /** `HOST:PORT`. Default `'127.0.0.1:7233'`; with port 0 a free one. */
  readonly listen?: string
  /** URL at which other nodes reach this one. Default: where it listens. */
  readonly address?: string
  /** Certificate, key and authority of the node: paths from the directory of the configuration. Default: no TLS. */
  readonly tls?: TlsSettings
  /** Name of the node, the same over restarts. Default `host:pid`. */
  readonly name?: string
  /** Its share of the shards, relative to other nodes. Default 1. */
  readonly weight?: number
  /** `'etcd://HOST:PORT,HOST:PORT'`: where nodes elect who leads. Default: in the database. */
  readonly coordinator?: string | CoordinatorSettings
  /** Default `'default'`. */
  readonly namespace?: string
  /** Tasks that run at once in each process. Default 64. */
  readonly taskConcurrency?: number
  readonly queues?: readonly QueueSettings[]
  /** Closed executions are deleted this long after their end. Default: never. */
  readonly retention?: Duration
  /** How long it serves on after `/readyz` says that it ends. Default `'3s'` with `trustedProxies`, else 0. */
  readonly drainDelay?: Duration
  /** Calls that change something are recorded. Paths are from the directory of the configuration. Default: they are not. */
  readonly audit?: AuditSettings
  /** Who may do what: paths from the directory of the configuration. Default: whoever reaches the port may do everything. */
  readonly access?: AccessSettings
  /** What it observes of itself, for `GET /metrics`. Default: true. */
  readonly metrics?: boolean | MetricsSettings
  /** Spans, by the provider that is registered in this process (`node --import ./otel.mjs`). Default: false. */
  readonly tracing?: boolean
  /** Of the REST API: pages that may call it, and limits. Default: no page. */
  readonly http?: HttpSettings
  /** Payloads of the code that it runs are encrypted; paths of keys are from the directory of the configuration. Default: they are not. */
  readonly encryption?: EncryptionSettings
  /** `allowPrivate`: webhooks may call addresses of private networks and of this machine. Default: they may not. */
  readonly webhooks?: { readonly allowPrivate?: boolean }
  /** Processes, each a node of its own. Default 1. */
  readonly processes?: number
}

/** What a configuration file checks itself by. */
export function defineConfig(config: PerdureConfig): PerdureConfig {
  return config
}
