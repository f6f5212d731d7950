/** Reads of human tasks, on one connection. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { RunId } from '../../protocol/ids.ts'
import type { HumanTaskQuery, HumanTaskRow } from '../contract/human-task-rows.ts'

interface Place {
  readonly rank: string
  readonly runId: string
  readonly op: number
}

export class SqliteHumanTaskReads {
  private readonly offers: StatementSync
  private readonly task: StatementSync

  constructor(database: DatabaseSync) {
    this.offers = database.prepare(`
      select rank, run_id, op from human_offer
      where namespace = ? and inbox = ? and (rank, run_id, op) > (?, ?, ?)
      order by rank, run_id, op limit ?`)
    this.task = database.prepare('select * from human_task where run_id = ? and op = ?')
  }

  list({ namespace, inboxes, after, limit }: HumanTaskQuery): HumanTaskRow[] {
    const position = [after?.rank ?? '', after?.runId ?? '', after?.op ?? 0] as const
    const places = new Map<string, Place>()
    for (const inbox of new Set(inboxes))
      for (const { rank, run_id, op } of this.offers.all(namespace, inbox, ...position, Math.max(0, limit)))
        places.set(`${run_id}-${op}`, { rank: String(rank), runId: String(run_id), op: Number(op) })
    return [...places.values()]
      .sort(inOrder)
      .slice(0, Math.max(0, limit))
      .flatMap(({ runId, op }) => this.task.all(runId, op).map(humanTaskOf))
  }
}

/** All of it is ASCII. */
function inOrder(a: Place, b: Place): number {
  if (a.rank !== b.rank) return a.rank < b.rank ? -1 : 1
  if (a.runId !== b.runId) return a.runId < b.runId ? -1 : 1
  return a.op - b.op
}

export function humanTaskOf(row: Record<string, SQLOutputValue>): HumanTaskRow {
  return {
    runId: String(row.run_id) as RunId,
    op: Number(row.op),
    namespace: String(row.namespace),
    workflowId: String(row.workflow_id),
    rank: String(row.rank),
    offers: String(row.offers),
    summary: String(row.summary),
  }
}
