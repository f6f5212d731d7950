/** What is wrong with a store, and what to do about it. */
import type { RunId } from '../../protocol/ids.ts'

export interface Finding {
  readonly code: FindingCode
  readonly detail: string
  readonly runId?: RunId
  readonly workflowId?: string
  readonly taskId?: string
  readonly scheduleId?: string
  readonly queue?: string
  /** Number of the event it is about. */
  readonly seq?: number
}

const RESTORE =
  'The store was damaged or changed by hand. Stop the engine, keep a copy of the store, and restore a backup; without one, terminate and delete the executions named here.'
const REPORT =
  'No crash can do this: keep a copy of the store, and report it as a bug. The execution itself can be terminated and deleted.'

const TASK =
  'No crash can do this. If nobody changed the store by hand, report it as a bug with a copy of the store. The task itself can be cancelled, or deleted and enqueued again.'

export const FINDING_ADVICE = {
  'rows-unreadable': RESTORE,
  'summary-missing': RESTORE,
  'summary-differs':
    'The journal is the truth, and the engine goes by it; the summary is what list shows. If nobody changed the store by hand, report it as a bug with a copy of the store.',
  'journal-missing': RESTORE,
  'entry-unreadable': RESTORE,
  'entry-count': RESTORE,
  'sequence-gap': RESTORE,
  'sequence-overlap': RESTORE,
  'epoch-decreases':
    'An engine that had lost the store wrote to it. Stop all engines, make sure that only one machine uses it, and restore a backup.',
  'event-malformed': RESTORE,
  'event-newer':
    'The event was written by a newer version of perdure: use that version, also of this command.',
  'start-misplaced': RESTORE,
  'time-decreases': REPORT,
  'after-the-end': REPORT,
  'reopened-wrongly': REPORT,
  'settled-twice': REPORT,
  'settled-unasked': REPORT,
  'attempt-repeated': REPORT,
  'timer-early':
    'Check that the clock of the machine is right and is never set by large steps; then report it as a bug.',
  'timer-of-closed': 'It is harmless: it fires into a closed execution. Report it as a bug.',
  'timer-stray': REPORT,
  'current-missing':
    'The execution cannot be reached by its id. Restore a backup, or report it as a bug with a copy of the store.',
  'current-dangling': RESTORE,
  'child-lost': REPORT,
  'message-unreadable': RESTORE,
  'message-stuck': 'The engine does not deliver it: look at its log, and start it again.',
  'task-unreadable': RESTORE,
  'task-status': TASK,
  'task-due': TASK,
  'task-lane': TASK,
  'task-key': TASK,
  'task-owner':
    'No crash can do this: keep a copy of the store, and report it as a bug. The task itself can be cancelled and deleted.',
  'schedule-unreadable': RESTORE,
  'schedule-row':
    'No crash can do this. If nobody changed the store by hand, report it as a bug with a copy of the store. The schedule can be deleted and created again.',
  'queue-setting':
    'No crash can do this. If nobody changed the store by hand, report it as a bug with a copy of the store. The settings of the queue can be reset.',
  'inbox-differs':
    'The journal is the truth, and the engine goes by it: the next action on the task writes its row anew. If nobody changed the store by hand, report it as a bug with a copy of the store.',
  'registry-row':
    'No crash can do this. If nobody changed the store by hand, report it as a bug with a copy of the store. The object can be written again.',
  'audit-gap':
    'Somebody has deleted rows of the audit trail: no crash can do this. Keep a copy of the store, and look for the rows in a backup.',
  'shards-wrong': RESTORE,
  'sessions-wrong': RESTORE,
} as const satisfies Record<string, string>

export type FindingCode = keyof typeof FINDING_ADVICE

/** Collects findings: all are counted, the first of each kind are kept. */
export class FindingLog {
  readonly counts = new Map<FindingCode, number>()
  readonly kept: Finding[] = []
  readonly #keptPerCode: number

  constructor(keptPerCode: number) {
    this.#keptPerCode = keptPerCode
  }

  readonly add = (finding: Finding): void => {
    const count = (this.counts.get(finding.code) ?? 0) + 1
    this.counts.set(finding.code, count)
    if (count <= this.#keptPerCode) this.kept.push(finding)
  }

  get total(): number {
    return this.totalOf(() => true)
  }

  totalOf(isCounted: (code: FindingCode) => boolean): number {
    let total = 0
    for (const [code, count] of this.counts) if (isCounted(code)) total += count
    return total
  }
}
