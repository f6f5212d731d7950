/**
 * What must hold for the rows of the human tasks of a run: what the inboxes show is what its journal says.
 *
 * 1. An open run has a row for each human task that is open, and no other; a closed run has none.
 * 2. A row, and the inboxes that it is in, are what the journal makes of the task.
 */
import type { ExecutionState } from '../../core/execution/state.ts'
import { humanTaskRow } from '../../engine/people/human-task-row.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import { humanTaskId } from '../../protocol/human-task.ts'
import type { HumanTaskRow } from '../../store/contract/human-task-rows.ts'
import type { Finding } from './finding.ts'

export interface StoredHumanTask {
  readonly row: HumanTaskRow
  /** The inboxes that list it, whatever its row says. */
  readonly inboxes: readonly string[]
}

export function auditHumanTasks(state: ExecutionState, stored: readonly StoredHumanTask[]): Finding[] {
  const { runId, key } = state
  const findings: Finding[] = []
  const report = (op: number, detail: string): void =>
    void findings.push({
      code: 'inbox-differs',
      detail: `human task ${humanTaskId(runId, op)} ${detail}`,
      runId,
      workflowId: key.workflowId,
    })
  const left = new Map(stored.map((each) => [each.row.op, each]))
  for (const [op, pending] of isClosed(state.status) ? [] : state.ops) {
    if (pending.kind !== 'human') continue
    const found = left.get(op)
    left.delete(op)
    if (found === undefined) {
      report(op, 'is open, and in no inbox')
      continue
    }
    const expected = humanTaskRow(state, op, pending)
    const wrong = (Object.keys(expected) as (keyof HumanTaskRow)[]).find(
      (name) => expected[name] !== found.row[name],
    )
    if (wrong !== undefined)
      report(op, `has the ${wrong} ${found.row[wrong]}, the journal makes it ${expected[wrong]}`)
    const offers = (JSON.parse(expected.offers) as string[]).toSorted().join(', ')
    const inboxes = found.inboxes.toSorted().join(', ')
    if (offers !== inboxes) report(op, `is in the inboxes ${inboxes}, the journal says ${offers}`)
  }
  for (const op of left.keys()) report(op, 'is not open, and has a row')
  return findings
}
