/** What a person can do about an execution. */
import type { ExecutionState } from '../core/execution/state.ts'
import { ERROR_CATALOGUE } from '../protocol/errors.ts'
import { isClosed } from '../protocol/execution-status.ts'
import type { Failure } from '../protocol/failure.ts'
import type { PendingLine } from './pending-operations.ts'

export interface Situation {
  readonly state: ExecutionState
  readonly pending: readonly PendingLine[]
  readonly isEngineRunning: boolean
  readonly nowMs: number
}

/** A timer this late means that no engine gets to it. */
const LATE_MS = 60_000

export function adviceFor({ state, pending, isEngineRunning, nowMs }: Situation): string[] {
  const advice: string[] = []
  if (state.status === 'parked') {
    const hints = state.parkedFailure === undefined ? [] : hintsOf(state.parkedFailure)
    advice.push(...hints, 'Nothing is lost while it is parked.')
  }
  if (state.status === 'failed') advice.push(...adviceForFailed(state))
  if (state.status === 'timed-out') advice.push(ERROR_CATALOGUE.EXECUTION_TIMED_OUT.hint)
  if (isEngineRunning && state.status === 'running') {
    const late = pending.find(({ dueAt }) => dueAt !== undefined && dueAt < nowMs - LATE_MS)
    if (late !== undefined)
      advice.push(`'${late.name}' is overdue although an engine runs: look at the log of the engine.`)
  }
  if (!isClosed(state.status) && !isEngineRunning)
    advice.push('No engine runs on this file: the execution goes on when one is started.')
  return advice
}

function adviceForFailed(state: ExecutionState): string[] {
  const { terminal } = state
  if (terminal?.type !== 'execution-failed') return []
  const hints = hintsOf(terminal.failure)
  const after = terminal.operationsAfter ?? 0
  if (after > 0)
    return [
      ...hints,
      `It made ${after} operations after the one that failed it, so retry is refused: start anew.`,
    ]
  return [...hints, 'Mend the cause; then execution.retry() continues it from the operation that failed.']
}

/** Hints of the catalogue along the chain of causes. */
function hintsOf(failure: Failure): string[] {
  const hints: string[] = []
  for (let each: Failure | undefined = failure; each !== undefined; each = each.cause) {
    if (each.kind !== 'platform' || each.code === undefined) continue
    if (Object.hasOwn(ERROR_CATALOGUE, each.code))
      hints.push(ERROR_CATALOGUE[each.code as keyof typeof ERROR_CATALOGUE].hint)
  }
  return [...new Set(hints)].filter((hint) => !hint.startsWith('See `cause`'))
}
