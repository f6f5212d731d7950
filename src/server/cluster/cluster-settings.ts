/** What a program says of its node. */

import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'

export interface ClusterSettings {
  /** Where the node listens for other nodes, workers and clients: a loopback address. Default `'127.0.0.1'`. */
  readonly host?: string
  /** Default 0: a free one. */
  readonly port?: number
  /** URL at which the other nodes reach it. Default: where it listens. */
  readonly address?: string
  /** Its name, for people, the same over restarts: it tends to get the shards that it had. Default `host:pid`. */
  readonly name?: string
  /** Its share of the shards, relative to other nodes. Default 1. */
  readonly weight?: number
  /** How long what runs in a shard may end before the shard goes to another node; then it is aborted, and runs again there. Default `'1s'`. */
  readonly handOver?: Duration
  /** How long `close` hands over what the node has. Default `'30s'`. */
  readonly drain?: Duration
}

export interface CheckedClusterSettings {
  readonly listen: { readonly host?: string; readonly port?: number }
  readonly address: string | undefined
  readonly name: string | undefined
  readonly weight: number
  readonly handOverMs: number
  readonly drainMs: number
}

const OPTIONS: OptionNames<ClusterSettings> = {
  host: true,
  port: true,
  address: true,
  name: true,
  weight: true,
  handOver: true,
  drain: true,
}

/** @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID` */
export function checkedClusterSettings(given: ClusterSettings): CheckedClusterSettings {
  const what = 'createEngine({ cluster })'
  const {
    host,
    port,
    address,
    name,
    weight = 1,
    handOver = '1s',
    drain = '30s',
  } = checkedOptions(given, what, OPTIONS)
  if (address !== undefined && !(URL.canParse(address) && /^wss?:$/.test(new URL(address).protocol)))
    throw new PerdureError('ARGUMENT_INVALID', `${what}: address is no URL like ws://127.0.0.1:7233`)
  if (typeof weight !== 'number' || !(weight > 0 && weight < 1e6))
    throw new PerdureError('ARGUMENT_INVALID', `${what}: weight is ${weight}, not a number above 0`)
  return {
    listen: { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) },
    address,
    name: name === undefined ? undefined : checkedName(name, 'the name of the node'),
    weight,
    handOverMs: durationMs(handOver),
    drainMs: durationMs(drain),
  }
}
