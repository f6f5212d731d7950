/** Data keys in a PostgreSQL database: for programs on several machines. It should not be the engine's, or its backups. */
import pg from 'pg'
import type { DataKeyStore, FoundDataKey, KeySelection, StoredDataKey } from './data-key-store.ts'

const CONNECTIONS = 2
const CONNECT_MS = 5000
const QUERY_MS = 10_000

/** Text in `"C"`: no collation decides what is the same. */
const SCHEMA = `
create table if not exists perdure_data_key (
  namespace text collate "C" not null,
  scope text collate "C" not null,
  id text collate "C" not null,
  wrapped_by text not null,
  wrapped bytea,
  destroyed_ms bigint,
  primary key (namespace, id)
);
create unique index if not exists perdure_data_key_of_scope on perdure_data_key (namespace, scope)
  where destroyed_ms is null;`
/** Two that create the table at the same time would disturb each other. */
const SCHEMA_LOCK = 0x70_64_6b_31

type Row = Readonly<Record<string, unknown>>

export class PostgresDataKeys implements DataKeyStore {
  readonly #pool: pg.Pool
  #isReady: Promise<void> | undefined

  constructor(url: string) {
    this.#pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: QUERY_MS,
      application_name: 'perdure data keys',
      // Nothing of it keeps a program alive.
      allowExitOnIdle: true,
    })
    // A connection that was idle and is lost: the next query makes another one.
    this.#pool.on('error', () => {})
  }

  async claim(candidates: readonly StoredDataKey[]): Promise<readonly (StoredDataKey | undefined)[]> {
    const all = [...candidates]
    const columns = [
      all.map(({ namespace }) => namespace),
      all.map(({ scope }) => scope),
      all.map(({ id }) => id),
      all.map(({ wrappedBy }) => wrappedBy),
      all.map(({ wrapped }) => Buffer.from(wrapped)),
    ]
    // One that was added while the key that wrapped it was being destroyed.
    await this.#query(
      `update perdure_data_key k set wrapped = null, destroyed_ms = dead.destroyed_ms
       from unnest($1::text[], $2::text[]) as t(n, s), perdure_data_key dead
       where k.namespace = t.n and k.scope = t.s and k.destroyed_ms is null
         and dead.namespace = k.namespace and dead.id = k.wrapped_by and dead.destroyed_ms is not null`,
      columns.slice(0, 2),
    )
    // In one order everywhere: two that add the same keys do not wait for each other.
    await this.#query(
      `insert into perdure_data_key (namespace, scope, id, wrapped_by, wrapped)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) as t(n, s, i, b, w)
       where not exists (
         select from perdure_data_key dead
         where dead.namespace = n and dead.id = b and dead.destroyed_ms is not null)
       order by n, s, i on conflict do nothing`,
      columns,
    )
    // A statement of its own sees what others have added meanwhile.
    const rows = await this.#query(
      `select t.place, k.* from unnest($1::text[], $2::text[]) with ordinality as t(n, s, place)
       join perdure_data_key k on k.namespace = t.n and k.scope = t.s and k.destroyed_ms is null`,
      columns.slice(0, 2),
    )
    const found = new Map(rows.map((row) => [Number(row.place) - 1, keyOf(row)]))
    return all.map((_, i) => found.get(i))
  }

  async find(namespace: string, ids: readonly string[]): Promise<readonly (FoundDataKey | undefined)[]> {
    const rows = await this.#query(
      'select * from perdure_data_key where namespace = $1 and id = any($2::text[])',
      [namespace, [...ids]],
    )
    const found = new Map(rows.map((row) => [row.id, row]))
    return ids.map((id) => {
      const row = found.get(id)
      if (row === undefined) return undefined
      return row.destroyed_ms === null ? keyOf(row) : { id, destroyedMs: Number(row.destroyed_ms) }
    })
  }

  async namespaceKeys(): Promise<readonly StoredDataKey[]> {
    const rows = await this.#query(
      "select * from perdure_data_key where scope = '' and destroyed_ms is null order by namespace",
      [],
    )
    return rows.map(keyOf)
  }

  async replaceWrapped(
    { namespace, id, wrappedBy: before }: StoredDataKey,
    wrappedBy: string,
    wrapped: Uint8Array,
  ): Promise<boolean> {
    const rows = await this.#query(
      `update perdure_data_key set wrapped_by = $1, wrapped = $2
       where namespace = $3 and id = $4 and wrapped_by = $5 and destroyed_ms is null returning id`,
      [wrappedBy, Buffer.from(wrapped), namespace, id, before],
    )
    return rows.length === 1
  }

  async destroy({ namespace, scope }: KeySelection, nowMs: number): Promise<number> {
    const rows = await this.#query(
      `update perdure_data_key set wrapped = null, destroyed_ms = $1
       where namespace = $2 and destroyed_ms is null and ($3::text is null or scope = $3) returning id`,
      [nowMs, namespace, scope ?? null],
    )
    return rows.length
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #query(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.#isReady ??= this.#create()
    try {
      await this.#isReady
    } catch (error) {
      this.#isReady = undefined
      throw error
    }
    return (await this.#pool.query<Row>(text, [...values])).rows
  }

  async #create(): Promise<void> {
    const known = await this.#pool.query("select to_regclass('perdure_data_key') as found")
    if (known.rows[0]?.found != null) return
    const client = await this.#pool.connect()
    try {
      await client.query('begin')
      await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK])
      await client.query(SCHEMA)
      await client.query('commit')
      client.release()
    } catch (error) {
      // With its connection the transaction ends.
      client.release(true)
      throw error
    }
  }
}

function keyOf(row: Row): StoredDataKey {
  const { namespace, scope, id, wrapped_by: wrappedBy, wrapped } = row
  if (!(wrapped instanceof Uint8Array)) throw new Error(`invariant: data key ${id} has no wrapped key`)
  return {
    namespace: String(namespace),
    scope: String(scope),
    id: String(id),
    wrappedBy: String(wrappedBy),
    wrapped,
  }
}
