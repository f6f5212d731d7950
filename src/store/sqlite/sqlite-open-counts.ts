/** How much is open in a namespace, counted up to a bound. Prepared when it is needed first: older files do not have its indexes. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export class SqliteOpenCounts {
  readonly #executions: StatementSync
  readonly #tasks: StatementSync

  constructor(database: DatabaseSync) {
    this.#executions = database.prepare(`
      select count(*) as open from (
        select 1 from execution indexed by execution_open
        where namespace = ? and status in ('running', 'parked') limit ?)`)
    // A row is stored as waiting while it runs.
    this.#tasks = database.prepare(`
      select count(*) as open from (
        select 1 from task indexed by task_waiting where status = 'waiting' and namespace = :namespace
        union all
        select 1 from task indexed by task_delayed where status = 'delayed' and namespace = :namespace
        limit :most)`)
  }

  executions(namespace: string, most: number): number {
    return Number(this.#executions.get(namespace, most)?.open)
  }

  tasks(namespace: string, most: number): number {
    return Number(this.#tasks.get({ namespace, most })?.open)
  }
}
