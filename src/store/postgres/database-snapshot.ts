/**
 * One moment of a database, for tools that check it: everything is read in one transaction, REPEATABLE READ and READ ONLY, on a
 * primary or a standby, whatever its settings are. Nothing waits for it, and it locks nothing but the removal of tables; while
 * it is open, dead rows of that time stay.
 */
import { silentLogger } from '../../platform/logger.ts'
import { storeFailed } from './postgres-error.ts'
import { PostgresLink, type Query, type Row, type Statement } from './postgres-link.ts'
import { postgresTarget } from './postgres-url.ts'
import { Timeline } from './timeline.ts'

const BEGIN = 'begin isolation level repeatable read read only'
/** An audit may take long. */
const LIMIT_MS = 2_147_483_647
const ASK_MS = 60_000
/** Between two queries the rows of the one before are checked. */
const SETTINGS = { idle_in_transaction_session_timeout: '10min' }

export class DatabaseConnection {
  readonly name: string
  readonly #link: PostgresLink

  /** Errors: `STORE_INVALID` (the URL). */
  constructor(url: string) {
    const target = postgresTarget(url, 'anything')
    this.name = target.name
    this.#link = new PostgresLink({
      target,
      purpose: 'doctor',
      logger: silentLogger,
      timeline: new Timeline(),
      settings: SETTINGS,
      serves: 'anything',
    })
  }

  /** In a transaction of its own. Errors: those of the server, and of the connection. */
  async ask(statement: Statement): Promise<Row[]> {
    return (await this.#link.once(statement, ASK_MS)).rows
  }

  /** All that `read` asks is of one moment. Errors: `STORE_FAILED`. */
  async snapshot<T>(read: (query: Query) => Promise<T>): Promise<T> {
    try {
      return await this.#link.transaction(read, { begin: BEGIN, limitMs: LIMIT_MS })
    } catch (error) {
      throw storeFailed(this.name, error)
    }
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}
