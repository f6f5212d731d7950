/** Reads a database for tools, also while an engine runs on it. It makes no schema and changes none. */
import { silentLogger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type RunId, runDay } from '../../protocol/ids.ts'
import type { TimerKey, TimerRow } from '../contract/rows.ts'
import type { LaterRows, StoreReader } from '../contract/store-reader.ts'
import { heartbeatOf } from './database-time.ts'
import { requireSchema } from './migrate.ts'
import { isOutage, storeFailed } from './postgres-error.ts'
import { PostgresLink, type Row, type Statement } from './postgres-link.ts'
import { postgresTarget } from './postgres-url.ts'
import { ReadMethods } from './read-methods.ts'
import { Timeline } from './timeline.ts'

const READ_MS = 60_000
/** An engine writes its heartbeat twice a second. */
const HEARTBEAT_MS = 1100
/** Version of the schema. Before it the row of the session had it. */
const HEARTBEATS_SINCE = 2
/** The registry and the audit trail. */
const ADMIN_SINCE = 5

/**
 * Of the hosts of the URL the one that takes writes is read, else a standby: it may be behind, and nothing is decided by what is
 * shown.
 *
 * Errors: `STORE_INVALID` (the URL, or a database that is no store), `STORE_FAILED`, `STORE_NEWER`.
 */
export async function openPostgresReader(url: string): Promise<StoreReader> {
  const target = postgresTarget(url, 'anything')
  const { name } = target
  let first: unknown
  for (const serves of ['writes', 'anything'] as const) {
    const timeline = new Timeline()
    const link = new PostgresLink({ target, purpose: 'tool', logger: silentLogger, timeline, serves })
    try {
      return new DatabaseReader(name, await requireSchema(link, name), link)
    } catch (error) {
      await link.close()
      if (!isOutage(error)) throw storeFailed(name, error)
      first ??= error
    }
  }
  throw storeFailed(`cannot connect to ${name}`, first)
}

class DatabaseReader extends ReadMethods implements StoreReader {
  readonly #link: PostgresLink
  readonly #name: string
  readonly #version: number

  constructor(name: string, version: number, link: PostgresLink) {
    super((statement) => this.#ask(statement))
    this.#name = name
    this.#version = version
    this.#link = link
  }

  /** All others are in each version of the schema. */
  lacks(rows: LaterRows): string | undefined {
    if ((rows !== 'registry' && rows !== 'audit') || this.#version >= ADMIN_SINCE) return undefined
    return `the database has schema version ${this.#version}, and ${rows} rows are read from version ${ADMIN_SINCE} on`
  }

  async timersOf(runId: RunId): Promise<readonly (TimerKey & Pick<TimerRow, 'dueAt'>)[]> {
    const text = 'select timer, due_at from perdure.timer where day = $1 and run_id = $2 order by timer'
    const rows = await this.#ask({ text, values: [runDay(runId), runId] })
    return rows.map(({ timer, due_at }) => ({ runId, timer: Number(timer), dueAt: Number(due_at) }))
  }

  /** Whether the heartbeat of any session has moved. */
  async isEngineRunning(): Promise<boolean> {
    const beat = this.#version < HEARTBEATS_SINCE ? 'heartbeat_at' : heartbeatOf('session')
    const text = `select id, ${beat} as beat from perdure.session where fenced_at is null order by id`
    const before = await this.#ask({ text })
    if (before.length === 0) return false
    await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS))
    return JSON.stringify(await this.#ask({ text })) !== JSON.stringify(before)
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  async #ask(statement: Statement): Promise<Row[]> {
    try {
      return (await this.#link.once(statement, READ_MS)).rows
    } catch (error) {
      if (error instanceof PerdureError) throw error
      throw storeFailed(this.#name, error)
    }
  }
}
