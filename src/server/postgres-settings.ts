/** What a program says of its connections to PostgreSQL. */
import { type Duration, durationMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../sdk/checked-arguments.ts'
import type { PostgresStoreOptions } from '../store/postgres/postgres-store.ts'
import { isPostgresUrl, postgresTarget } from '../store/postgres/postgres-url.ts'

export interface PostgresSettings {
  /** Connections for reads, 1 to 100; with `readStore` as many to the replica. Default 4. */
  readonly readConnections?: number
  /** How long a database that cannot be reached is waited for at the start. Default `'10s'`. */
  readonly openTimeout?: Duration
  /** How long connecting to one host may take, 100 ms at least. Default `'5s'`. */
  readonly connectTimeout?: Duration
  /**
   * A commit without an answer for so long is settled: the session is ended, and it is looked up whether the commit is in. 1 s at
   * least. Default `'10s'`.
   */
  readonly commitTimeout?: Duration
  /** A read without an answer for so long is asked again on another connection. 1 s at least. Default `'60s'`. */
  readonly readTimeout?: Duration
}

const OPTIONS: OptionNames<PostgresSettings> = {
  readConnections: true,
  openTimeout: true,
  connectTimeout: true,
  commitTimeout: true,
  readTimeout: true,
}
const MOST_CONNECTIONS = 100
/** That of a timer of Node. */
const LONGEST_MS = 2_147_483_647

interface Given {
  readonly store: unknown
  readonly readStore?: string
  readonly postgres?: PostgresSettings
}

/**
 * @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID`, `STORE_INVALID` (the URL of the replica)
 *
 * @internal
 */
export function checkedPostgresSettings({ store, readStore, postgres }: Given): PostgresStoreOptions {
  if (readStore === undefined && postgres === undefined) return {}
  const name = postgres === undefined ? 'readStore' : 'postgres'
  if (typeof store !== 'string' || !isPostgresUrl(store))
    throw invalid(`createEngine({ ${name} }) is for a store on PostgreSQL: leave it out, or use postgres://…`)
  return { ...checkedReplica(readStore), ...checkedConnections(postgres) }
}

function checkedReplica(readStore: string | undefined): PostgresStoreOptions {
  if (readStore === undefined) return {}
  if (typeof readStore !== 'string' || !isPostgresUrl(readStore))
    throw invalid('readStore is no URL of the form postgres://USER@HOST:PORT/DATABASE, that of a standby')
  postgresTarget(readStore, 'reads')
  return { replica: readStore }
}

function checkedConnections(postgres: PostgresSettings | undefined): PostgresStoreOptions {
  const what = 'createEngine({ postgres })'
  const { readConnections, ...times } = checkedOptions(postgres, what, OPTIONS)
  if (
    readConnections !== undefined &&
    !(Number.isInteger(readConnections) && readConnections >= 1 && readConnections <= MOST_CONNECTIONS)
  )
    throw invalid(
      `${what}: readConnections is ${readConnections}, not a whole number from 1 to ${MOST_CONNECTIONS}`,
    )
  const ms = (name: keyof typeof times, leastMs: number): number | undefined => {
    const given = times[name]
    if (given === undefined) return undefined
    const value = durationMs(given, `${what}: ${name}`)
    if (value < leastMs || value > LONGEST_MS)
      throw invalid(`${what}: ${name} is ${value} ms; it can be ${leastMs} to ${LONGEST_MS} ms`)
    return value
  }
  return defined({
    readConnections,
    openMs: ms('openTimeout', 0),
    connectMs: ms('connectTimeout', 100),
    commitMs: ms('commitTimeout', 1000),
    readMs: ms('readTimeout', 1000),
  })
}

/** Without those that are undefined: the store has defaults for them. */
function defined(options: { readonly [name: string]: number | undefined }): PostgresStoreOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function invalid(why: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', why)
}
