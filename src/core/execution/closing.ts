/** The end of an execution: its terminal event, and what the world is told of it. */
import type { Operation, TerminalEvent } from '../../protocol/event.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { ChildOutcome, Message } from '../../protocol/message.ts'
import { type Decision, decided, type Effect } from './decision.ts'
import { type ExecutionState, type PendingChild, parentLink } from './state.ts'
import { DEADLINE_TIMER, START_TIMER } from './timer-ids.ts'

export function closing(state: ExecutionState, event: TerminalEvent): Decision {
  const effects: Effect[] = []
  for (const [op, pending] of state.ops) {
    if (pending.kind === 'child') closeChild(state, op, pending, event, effects)
    else if (pending.kind !== 'step' || !pending.running) effects.push({ kind: 'drop-timer', timer: op })
    else effects.push({ kind: 'abort-step', op })
  }
  if (state.deadlineAt !== undefined) effects.push({ kind: 'drop-timer', timer: DEADLINE_TIMER })
  if (state.notBefore > state.startedAt) effects.push({ kind: 'drop-timer', timer: START_TIMER })
  const outcome = outcomeOf(event)
  if (state.parent !== undefined && outcome !== undefined) {
    const { key: to, runId: parentRunId, op } = state.parent
    effects.push({
      kind: 'send',
      message: { kind: 'child-closed', to, parentRunId, op, child: state.key, outcome },
    })
  }
  return decided([event], effects)
}

/** What a parent or a waiting client learns; undefined when the execution goes on in another run. */
export function outcomeOf(event: TerminalEvent): ChildOutcome | undefined {
  if (event.type === 'execution-continued') return undefined
  if (event.type === 'execution-completed') return { ok: true, result: event.result }
  return { ok: false, failure: failureOfTerminal(event) }
}

export function failureOfTerminal(
  event: Exclude<TerminalEvent, { type: 'execution-completed' | 'execution-continued' }>,
): Failure {
  switch (event.type) {
    case 'execution-failed':
      return event.failure
    case 'execution-cancelled':
      return platformFailure('CANCELLED', event.reason)
    case 'execution-terminated':
      return platformFailure('EXECUTION_TERMINATED', event.reason)
    case 'execution-timed-out':
      return platformFailure('EXECUTION_TIMED_OUT', `the execution took longer than ${event.timeoutMs} ms`)
  }
}

function closeChild(
  state: ExecutionState,
  op: Operation,
  child: PendingChild,
  event: TerminalEvent,
  effects: Effect[],
): void {
  const { closePolicy } = child
  if (closePolicy === 'abandon') return
  // A cancelled parent has asked its children to cancel: they may clean up, as it did.
  const kind = event.type === 'execution-cancelled' ? 'cancel' : closePolicy
  const reason = `parent ${state.key.workflowId} has closed`
  const message: Message = { kind, to: child.key, parent: parentLink(state, op), reason }
  effects.push({ kind: 'send', message })
}
