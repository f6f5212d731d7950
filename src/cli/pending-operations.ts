/**
 * What an open execution waits for, as far as its rows show it.
 *
 * Steps are journaled when they end, and so is their failed attempt; a wait that a signal answered, or an operation whose
 * scope was cancelled, leaves no event. The timer rows know better: an operation that has lost its timer is not waited for
 * any more, and a failed step without one is being attempted again.
 */
import type { ExecutionState, PendingOp } from '../core/execution/state.ts'
import { DEADLINE_TIMER, START_TIMER } from '../core/execution/timer-ids.ts'
import { isClosed } from '../protocol/execution-status.ts'
import type { Failure } from '../protocol/failure.ts'

export interface PendingLine {
  /** Absent for the start and the deadline of the execution. */
  readonly op?: number
  readonly kind: 'start' | 'deadline' | 'step' | 'sleep' | 'wait' | 'child' | 'task' | 'human'
  readonly name: string
  /** The last failed attempt. */
  readonly failedAttempts?: number
  readonly dueAt?: number
  readonly child?: { readonly id: string; readonly runId: string }
  readonly lastFailure?: Failure
}

export function pendingOperations(
  state: ExecutionState,
  timers: readonly { readonly timer: number; readonly dueAt: number }[],
): PendingLine[] {
  if (isClosed(state.status)) return []
  const dueAt = new Map(timers.map((row) => [row.timer, row.dueAt]))
  const lines: PendingLine[] = []
  const start = dueAt.get(START_TIMER)
  if (start !== undefined) lines.push({ kind: 'start', name: 'start of the workflow code', dueAt: start })
  const deadline = dueAt.get(DEADLINE_TIMER)
  if (deadline !== undefined) lines.push({ kind: 'deadline', name: 'execution timeout', dueAt: deadline })
  for (const [op, pending] of [...state.ops].sort(([a], [b]) => a - b)) {
    const line = lineOf(op, pending, dueAt.get(op))
    if (line !== undefined) lines.push(line)
  }
  return lines
}

function lineOf(op: number, pending: PendingOp, dueAt: number | undefined): PendingLine | undefined {
  const { kind, name } = pending
  switch (pending.kind) {
    case 'child':
      return { op, kind, name, child: { id: pending.key.workflowId, runId: pending.runId } }
    case 'task':
      return { op, kind, name }
    case 'human':
      return { op, kind, name, ...(pending.dueAt === undefined ? {} : { dueAt: pending.dueAt }) }
    case 'step': {
      const { attempt, lastFailure } = pending
      return {
        op,
        kind,
        name,
        failedAttempts: attempt,
        ...(dueAt === undefined ? {} : { dueAt }),
        ...(lastFailure === undefined ? {} : { lastFailure }),
      }
    }
    default:
      return dueAt === undefined ? undefined : { op, kind, name, dueAt }
  }
}
