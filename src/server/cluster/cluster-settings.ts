/** What a program says of its node. */

import type { TlsSettings } from '../../platform/tls.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'
import type { HttpSettings } from '../http/http-settings.ts'
import { ClientOrigins } from '../listen/client-origin.ts'
import type { ListenOptions } from '../listen/listen-options.ts'
import type { ProxySettings } from '../listen/proxy-settings.ts'
import { serverIdentity } from '../listen/server-identity.ts'
import { type CoordinatorSettings, checkedCoordinator, type EtcdSettings } from './etcd/etcd-settings.ts'

export interface ClusterSettings extends ProxySettings {
  /** Where the node listens for other nodes, workers and clients: without `tls`, a loopback address. Default `'127.0.0.1'`. */
  readonly host?: string
  /** Default 0: a free one. */
  readonly port?: number
  /** URL at which nodes, workers and clients reach it, such as `'wss://node-1.internal:7233'`. Default: where it listens. */
  readonly address?: string
  /**
   * Mutual TLS between all: `cert` and `key` of this node, and `ca`, the authority of nodes, workers and clients. The
   * certificates of nodes are for servers and clients, those of workers and clients for clients only. Default: none.
   */
  readonly tls?: TlsSettings
  /** As of `engine.listen()`: without TLS also beyond this machine. Default false. */
  readonly insecureListen?: boolean
  /** Of the REST API: pages that may call it, and limits. */
  readonly http?: HttpSettings
  /** Its name, for people, the same over restarts: it tends to get the shards that it had. Default `host:pid`. */
  readonly name?: string
  /** Its share of the shards, relative to other nodes. Default 1. */
  readonly weight?: number
  /** How long what runs in a shard may end before the shard goes to another node; then it is aborted, and runs again there. Default `'1s'`. */
  readonly handOver?: Duration
  /** How long `close` hands over what the node has. Default `'30s'`. */
  readonly drain?: Duration
  /** Where nodes elect who leads: etcd, such as `'etcd://10.0.0.1:2379,10.0.0.2:2379'`. The same on all nodes. Default: in the database. */
  readonly coordinator?: string | CoordinatorSettings
}

export interface CheckedClusterSettings {
  readonly listen: ListenOptions
  readonly address: string | undefined
  readonly name: string | undefined
  readonly weight: number
  readonly handOverMs: number
  readonly drainMs: number
  /** Undefined: the database. */
  readonly coordinator: EtcdSettings | undefined
}

const WHAT = 'createEngine({ cluster })'
const ALL_ADDRESSES: readonly unknown[] = ['0.0.0.0', '::']
const OPTIONS: OptionNames<ClusterSettings> = {
  host: true,
  port: true,
  address: true,
  tls: true,
  http: true,
  insecureListen: true,
  name: true,
  weight: true,
  handOver: true,
  drain: true,
  coordinator: true,
  trustedProxies: true,
  forwardedHeader: true,
  proxyProtocol: true,
  tlsPassThrough: true,
}

/** @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID` */
export function checkedClusterSettings(given: ClusterSettings): CheckedClusterSettings {
  const {
    host,
    port,
    address,
    tls,
    http,
    insecureListen,
    name,
    weight = 1,
    handOver = '1s',
    drain = '30s',
    coordinator,
    ...proxies
  } = checkedOptions(given, WHAT, OPTIONS)
  checkAddress(address, host, tls !== undefined)
  // Before anything is opened.
  if (tls !== undefined) serverIdentity(tls, () => {})
  new ClientOrigins(proxies)
  if (typeof weight !== 'number' || !(weight > 0 && weight < 1e6))
    throw new PerdureError('ARGUMENT_INVALID', `${WHAT}: weight is ${weight}, not a number above 0`)
  return {
    listen: {
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(tls === undefined ? {} : { tls }),
      ...(http === undefined ? {} : { http }),
      ...proxies,
      ...(insecureListen === undefined ? {} : { insecureListen }),
    },
    address,
    name: name === undefined ? undefined : checkedName(name, 'the name of the node'),
    weight,
    handOverMs: durationMs(handOver),
    drainMs: durationMs(drain),
    coordinator: coordinator === undefined ? undefined : checkedCoordinator(coordinator),
  }
}

function checkAddress(address: unknown, host: string | undefined, isSecure: boolean): void {
  const invalid = (why: string): PerdureError => new PerdureError('ARGUMENT_INVALID', `${WHAT}: ${why}`)
  const scheme = isSecure ? 'wss' : 'ws'
  if (address === undefined) {
    if (ALL_ADDRESSES.includes(host))
      throw invalid(
        `host ${host} listens on all addresses; say which the others use: address '${scheme}://…'`,
      )
    return
  }
  const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== `${scheme}:`)
    throw invalid(`address is ${JSON.stringify(address)}, no URL like ${scheme}://127.0.0.1:7233`)
}
