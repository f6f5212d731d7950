/** What people see of an execution. */
import { failureOfTerminal } from '../core/execution/closing.ts'
import type { ExecutionState, PendingOp } from '../core/execution/state.ts'
import type { ExecutionDescription, ExecutionSummary, PendingOperation } from '../protocol/client-port.ts'
import type { Failure } from '../protocol/failure.ts'
import { humanTaskId } from '../protocol/human-task.ts'
import type { RunId } from '../protocol/ids.ts'
import { ownTaskId } from '../protocol/task-ids.ts'
import type { ExecutionRow } from '../store/contract/rows.ts'

export function summaryOf(row: ExecutionRow): ExecutionSummary {
  const { key, runId, workflow, version, status, startedAt, closedAt, attributes } = row
  return {
    key,
    runId,
    workflow,
    version,
    status,
    startedAt,
    ...(closedAt === null ? {} : { closedAt }),
    attributes: attributes ?? {},
  }
}

export function descriptionOf(state: ExecutionState): ExecutionDescription {
  const { key, runId, workflow, version, status, startedAt, closedAt, attributes, seq } = state
  const failure = failureOfState(state)
  return {
    key,
    runId,
    workflow,
    version,
    status,
    startedAt,
    ...(closedAt === null ? {} : { closedAt }),
    attributes: attributes ?? {},
    events: seq,
    pending:
      state.closedAt === null
        ? [...state.ops].map(([op, pending]) => pendingOf(runId, op, pending)).sort((a, b) => a.op - b.op)
        : [],
    ...(failure === undefined ? {} : { failure }),
  }
}

/** Why it is parked, or how it failed. */
export function failureOfState(state: ExecutionState): Failure | undefined {
  const { terminal, parkedFailure } = state
  if (terminal === undefined) return parkedFailure
  if (terminal.type === 'execution-completed' || terminal.type === 'execution-continued') return undefined
  return failureOfTerminal(terminal)
}

function pendingOf(runId: RunId, op: number, pending: PendingOp): PendingOperation {
  const { kind, name } = pending
  if (pending.kind === 'child') return { op, kind, name }
  if (pending.kind === 'human') {
    const { dueAt } = pending
    return { op, kind, name, humanTaskId: humanTaskId(runId, op), ...(dueAt === undefined ? {} : { dueAt }) }
  }
  if (pending.kind === 'task') return { op, kind, name, taskId: ownTaskId(pending.task) }
  if (pending.kind !== 'step') return { op, kind, name, dueAt: pending.dueAt }
  const { attempt, running, retryAt, lastFailure } = pending
  return {
    op,
    kind,
    name,
    attempt,
    ...(running ? {} : { dueAt: retryAt }),
    ...(lastFailure === undefined ? {} : { lastFailure }),
  }
}
