/** Data keys in a SQLite file: for programs on one machine, several of them at a time. */
import { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import type { DataKeyStore, FoundDataKey, KeySelection, StoredDataKey } from './data-key-store.ts'

const BUSY_MS = 10_000
const APPLICATION_ID = 0x70_64_6b_31

const SCHEMA = `
create table if not exists data_key (
  namespace text not null,
  scope text not null,
  id text not null,
  wrapped_by text not null,
  wrapped blob,
  destroyed_ms integer,
  primary key (namespace, id)
) strict, without rowid;
create unique index if not exists data_key_of_scope on data_key (namespace, scope) where destroyed_ms is null;
pragma application_id = ${APPLICATION_ID};`

type Row = Readonly<Record<string, unknown>>

export class SqliteDataKeys implements DataKeyStore {
  readonly #database: DatabaseSync
  readonly #bury
  readonly #insert
  readonly #ofScope
  readonly #ofId

  /** @throws PerdureError `STORE_INVALID`: the file is something else, or cannot be opened */
  constructor(path: string) {
    try {
      this.#database = new DatabaseSync(path)
      // Set after the switch to the log: before, it reads back as FULL and behaves as NORMAL. Freed pages are overwritten.
      this.#database.exec(`pragma busy_timeout = ${BUSY_MS}; pragma journal_mode = wal; pragma synchronous = full;
        pragma secure_delete = on`)
      this.#assertOurs(path)
      this.#database.exec(SCHEMA)
    } catch (error) {
      if (error instanceof PerdureError) throw error
      const why = error instanceof Error ? error.message : String(error)
      throw new PerdureError('STORE_INVALID', `${path} cannot be a store of data keys: ${why}`, {
        cause: error,
      })
    }
    const columns = 'namespace, scope, id, wrapped_by, wrapped, destroyed_ms'
    this.#bury = this.#database.prepare(
      `update data_key set wrapped = null, destroyed_ms = dead.destroyed_ms
       from data_key dead
       where data_key.namespace = ? and data_key.scope = ? and data_key.destroyed_ms is null
         and dead.namespace = data_key.namespace and dead.id = data_key.wrapped_by
         and dead.destroyed_ms is not null`,
    )
    this.#insert = this.#database.prepare(
      `insert into data_key (${columns})
       select :namespace, :scope, :id, :wrappedBy, :wrapped, null where not exists (
         select 1 from data_key where namespace = :namespace and id = :wrappedBy and destroyed_ms is not null)
       on conflict do nothing`,
    )
    this.#ofScope = this.#database.prepare(
      `select ${columns} from data_key where namespace = ? and scope = ? and destroyed_ms is null`,
    )
    this.#ofId = this.#database.prepare(`select ${columns} from data_key where namespace = ? and id = ?`)
  }

  async claim(candidates: readonly StoredDataKey[]): Promise<readonly (StoredDataKey | undefined)[]> {
    return this.#committed(() =>
      candidates.map(({ namespace, scope, id, wrappedBy, wrapped }) => {
        this.#bury.run(namespace, scope)
        this.#insert.run({ namespace, scope, id, wrappedBy, wrapped })
        const row = this.#ofScope.get(namespace, scope)
        return row === undefined ? undefined : keyOf(row)
      }),
    )
  }

  async find(namespace: string, ids: readonly string[]): Promise<readonly (FoundDataKey | undefined)[]> {
    return ids.map((id) => {
      const row = this.#ofId.get(namespace, id)
      if (row === undefined) return undefined
      return row.destroyed_ms === null ? keyOf(row) : { id, destroyedMs: Number(row.destroyed_ms) }
    })
  }

  async namespaceKeys(): Promise<readonly StoredDataKey[]> {
    return this.#database
      .prepare("select * from data_key where scope = '' and destroyed_ms is null order by namespace")
      .all()
      .map(keyOf)
  }

  async replaceWrapped(
    { namespace, id, wrappedBy: before }: StoredDataKey,
    wrappedBy: string,
    wrapped: Uint8Array,
  ): Promise<boolean> {
    const { changes } = this.#database
      .prepare(
        `update data_key set wrapped_by = ?, wrapped = ?
         where namespace = ? and id = ? and wrapped_by = ? and destroyed_ms is null`,
      )
      .run(wrappedBy, wrapped, namespace, id, before)
    this.#forgetOldPages()
    return Number(changes) === 1
  }

  async destroy({ namespace, scope }: KeySelection, nowMs: number): Promise<number> {
    const { changes } = this.#database
      .prepare(
        `update data_key set wrapped = null, destroyed_ms = :now
         where namespace = :namespace and destroyed_ms is null and (:scope is null or scope = :scope)`,
      )
      .run({ now: nowMs, namespace, scope: scope ?? null })
    this.#forgetOldPages()
    return Number(changes)
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  /** What was overwritten is still in the log until that is copied into the file and emptied. */
  #forgetOldPages(): void {
    const row = this.#database.prepare('pragma wal_checkpoint(truncate)').get()
    if (row?.busy !== 0)
      throw new PerdureError(
        'KEYS_UNAVAILABLE',
        'the keys are changed, but another program holds the log of the store of data keys, which still has the former ones: do it again',
      )
  }

  #committed<T>(call: () => T): T {
    this.#database.exec('begin immediate')
    try {
      const result = call()
      this.#database.exec('commit')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw error
    }
  }

  #assertOurs(path: string): void {
    const id = this.#database.prepare('pragma application_id').get()?.application_id
    const tables = this.#database.prepare('select count(*) as tables from sqlite_schema').get()?.tables
    if (id !== APPLICATION_ID && tables !== 0)
      throw new PerdureError(
        'STORE_INVALID',
        `${path} is another database: data keys have a file of their own, apart from what they encrypt`,
      )
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
