/**
 * Changes summaries of executions. Of those that end together most change in the same way: they share a statement, which
 * per row costs half of a statement of its own.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { RunId } from '../../protocol/ids.ts'

const RUNS_PER_STATEMENT = [32, 4, 1] as const

/** The new values, as the table holds them. */
export interface ExecutionUpdate {
  readonly day: number
  readonly status: string
  readonly active: number
  readonly closedAt: number | null
  readonly attributes: string | null
}

export class ExecutionUpdater {
  private readonly statements: readonly { readonly runs: number; readonly statement: StatementSync }[]
  private update: ExecutionUpdate | undefined
  private runIds: RunId[] = []

  constructor(database: DatabaseSync) {
    this.statements = RUNS_PER_STATEMENT.map((runs) => {
      const places = Array(runs).fill('?').join(', ')
      const sql = `update or fail execution set status = ?, active = ?, closed_at = ?, attributes = ?
        where day = ? and run_id in (${places})`
      return { runs, statement: database.prepare(sql) }
    })
  }

  /** Changes one run: now, or with those that follow and change in the same way; by `flush` at the latest. */
  add(runId: RunId, update: ExecutionUpdate): void {
    if (this.update !== undefined && !isSame(this.update, update)) this.flush()
    this.update = update
    this.runIds.push(runId)
  }

  flush(): void {
    const { update, runIds } = this
    if (update === undefined) return
    const { day, status, active, closedAt, attributes } = update
    let start = 0
    for (const { runs, statement } of this.statements) {
      for (; runIds.length - start >= runs; start += runs)
        statement.run(status, active, closedAt, attributes, day, ...runIds.slice(start, start + runs))
    }
    this.reset()
  }

  /** Forgets changes of a batch that is rolled back. */
  reset(): void {
    this.update = undefined
    this.runIds = []
  }
}

function isSame(a: ExecutionUpdate, b: ExecutionUpdate): boolean {
  return (
    a.closedAt === b.closedAt &&
    a.status === b.status &&
    a.active === b.active &&
    a.attributes === b.attributes &&
    a.day === b.day
  )
}
