/**
 * Brings a database to the newest schema, step by step. All nodes may try at the same time: one does it, under a lock that
 * ends with its transaction, and the others find it done.
 *
 * 1. A database of a newer schema is refused untouched.
 * 2. Released steps are never changed; a new schema is a new step at the end, which nodes of the version before can live with.
 */
import { PerdureError } from '../../protocol/errors.ts'
import { FIRST_SCHEMA } from './migrations/0001-first-schema.ts'
import { CLUSTERS } from './migrations/0002-clusters.ts'
import { REQUESTS } from './migrations/0003-requests.ts'
import type { PostgresLink, Row, Statement } from './postgres-link.ts'

type Query = (statement: Statement) => Promise<Row[]>

/** Step n - 1 leads from schema version n - 1 to n. */
const MIGRATIONS: readonly string[] = [FIRST_SCHEMA, CLUSTERS, REQUESTS]

export const SCHEMA_VERSION = MIGRATIONS.length

/** "Perd", "ure": two numbers that no other application should lock. */
const LOCK = 'select pg_advisory_xact_lock(1348825700, 7696997)'

/** `shards` is written into a new database only: the number of shards never changes. Answers it. */
export async function migrate(link: PostgresLink, name: string, shards: number): Promise<number> {
  if ((await versionOf(async (statement) => (await link.once(statement, 10_000)).rows)) !== SCHEMA_VERSION)
    await link.transaction(async (query) => {
      await query({ text: LOCK })
      await advance(query, name, shards)
    })
  const { rows } = await link.once({ text: "select value from perdure.meta where key = 'shards'" }, 10_000)
  return Number(rows[0]?.value)
}

/** For tools: throws unless the database has a schema that this program can read. Answers its version. */
export async function requireSchema(link: PostgresLink, name: string): Promise<number> {
  const version = await versionOf(async (statement) => (await link.once(statement, 10_000)).rows)
  if (version === 0) throw new PerdureError('STORE_INVALID', `${name} holds no perdure store`)
  if (version > SCHEMA_VERSION) throw newer(name, version)
  return version
}

function newer(name: string, version: number): PerdureError {
  const detail = `${name} has schema version ${version}, this program knows versions up to ${SCHEMA_VERSION}`
  return new PerdureError('STORE_NEWER', detail)
}

async function advance(query: Query, name: string, shards: number): Promise<void> {
  let version = await versionOf(query)
  if (version > SCHEMA_VERSION) throw newer(name, version)
  if (version === 0) await query({ text: 'create schema if not exists perdure' })
  while (version < SCHEMA_VERSION) {
    await query({ text: MIGRATIONS[version] ?? '' })
    version++
    if (version === 1) {
      const meta = "insert into perdure.meta values ('schema_version', 1), ('shards', $1), ('clock_floor', 0)"
      await query({ text: meta, values: [shards] })
      const ids = 'insert into perdure.shard (id, epoch) select id, 0 from generate_series(0, $1 - 1) as id'
      await query({ text: ids, values: [shards] })
    }
    await query({
      text: "update perdure.meta set value = $1 where key = 'schema_version'",
      values: [version],
    })
  }
}

/** Reads the catalogue as it is now: `to_regclass` would answer from what the connection remembers, also behind the lock. */
const IS_THERE = `
  select exists (
    select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'perdure' and relname = 'meta') as is_there`

/** 0: there is no schema yet. */
async function versionOf(query: Query): Promise<number> {
  const [found] = await query({ text: IS_THERE })
  if (found?.is_there !== true) return 0
  const [row] = await query({ text: "select value from perdure.meta where key = 'schema_version'" })
  return Number(row?.value ?? 0)
}
