/**
 * Brings a database to the newest schema, step by step. All nodes may try at the same time: one does it, under a lock that
 * ends with its transaction, and the others find it done.
 *
 * 1. A database of a newer schema is refused untouched, unless it says that this program can live with it: then it may start again
 *    while newer ones run, as when an upgrade is rolled back node by node.
 * 2. Released steps are never changed; a new schema is a new step at the end, which nodes of the version before can live with.
 */
import { PerdureError } from '../../protocol/errors.ts'
import { FIRST_SCHEMA } from './migrations/0001-first-schema.ts'
import { CLUSTERS } from './migrations/0002-clusters.ts'
import { REQUESTS } from './migrations/0003-requests.ts'
import { RETENTION } from './migrations/0004-retention.ts'
import { REGISTRY_AND_AUDIT } from './migrations/0005-registry-and-audit.ts'
import { OPEN_COUNTS } from './migrations/0006-open-counts.ts'
import type { PostgresLink, Row, Statement } from './postgres-link.ts'

type Query = (statement: Statement) => Promise<Row[]>

/** Step n - 1 leads from schema version n - 1 to n. */
const MIGRATIONS: readonly string[] = [
  FIRST_SCHEMA,
  CLUSTERS,
  REQUESTS,
  RETENTION,
  REGISTRY_AND_AUDIT,
  OPEN_COUNTS,
]

export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Programs whose newest schema is this one, or a later one, can live with the newest schema: they ignore what they do not know, and
 * what they write is complete without it. To be raised when a step is added with which they cannot.
 */
const OLDEST_PROGRAM = 3

/** "Perd", "ure": two numbers that no other application should lock. */
const LOCK = 'select pg_advisory_xact_lock(1348825700, 7696997)'

/** `shards` is written into a new database only: the number of shards never changes. Answers it. */
export async function migrate(link: PostgresLink, name: string, shards: number): Promise<number> {
  const known = await schemaOf(async (statement) => (await link.once(statement, 10_000)).rows)
  if (known.version < SCHEMA_VERSION || !isFit(known))
    await link.transaction(async (query) => {
      await query({ text: LOCK })
      await advance(query, name, shards)
    })
  const { rows } = await link.once({ text: "select value from perdure.meta where key = 'shards'" }, 10_000)
  return Number(rows[0]?.value)
}

/** For tools: throws unless the database has a schema that this program can read. Answers its version. */
export async function requireSchema(link: PostgresLink, name: string): Promise<number> {
  const schema = await schemaOf(async (statement) => (await link.once(statement, 10_000)).rows)
  if (schema.version === 0) throw new PerdureError('STORE_INVALID', `${name} holds no perdure store`)
  if (!isFit(schema)) throw newer(name, schema.version)
  return schema.version
}

interface Schema {
  /** 0: there is none yet. */
  readonly version: number
  /** Programs that know this version can use it. */
  readonly oldestProgram: number
}

const isFit = ({ oldestProgram }: Schema): boolean => oldestProgram <= SCHEMA_VERSION

function newer(name: string, version: number): PerdureError {
  const detail = `${name} has schema version ${version}, this program knows versions up to ${SCHEMA_VERSION}`
  return new PerdureError('STORE_NEWER', detail)
}

async function advance(query: Query, name: string, shards: number): Promise<void> {
  const schema = await schemaOf(query)
  if (!isFit(schema)) throw newer(name, schema.version)
  let { version } = schema
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
  if (schema.version < SCHEMA_VERSION) await query({ text: SET_OLDEST_PROGRAM, values: [OLDEST_PROGRAM] })
}

const SET_OLDEST_PROGRAM = `
  insert into perdure.meta values ('oldest_program', $1) on conflict (key) do update set value = excluded.value`

/** Reads the catalogue as it is now: `to_regclass` would answer from what the connection remembers, also behind the lock. */
const IS_THERE = `
  select exists (
    select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'perdure' and relname = 'meta') as is_there`

/** A schema that does not say which programs can use it is for those that know it. */
async function schemaOf(query: Query): Promise<Schema> {
  const [found] = await query({ text: IS_THERE })
  if (found?.is_there !== true) return { version: 0, oldestProgram: 0 }
  const rows = await query({
    text: "select key, value from perdure.meta where key in ('schema_version', 'oldest_program')",
  })
  const values = new Map(rows.map(({ key, value }) => [key, Number(value)]))
  const version = values.get('schema_version') ?? 0
  return { version, oldestProgram: values.get('oldest_program') ?? version }
}
