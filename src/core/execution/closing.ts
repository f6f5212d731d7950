/** The end of an execution: its terminal event, and what the world is told of it. */
import type { Operation, TerminalEvent } from '../../protocol/event.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { ChildOutcome, Message } from '../../protocol/message.ts'
import { type Decision, decided, type Effect } from './decision.ts'
import { hidden } from './human/human-end.ts'
import { type ExecutionState, type PendingChild, type PendingTask, parentLink } from './state.ts'
import { DEADLINE_TIMER, START_TIMER } from './timer-ids.ts'

export function closing(state: ExecutionState, event: TerminalEvent): Decision {
  const effects: Effect[] = []
  for (const [op, pending] of state.ops) {
    if (pending.kind === 'child') closeChild(state, op, pending, event, effects)
    else if (pending.kind === 'task') effects.push(withdrawal(state, pending))
    else if (pending.kind === 'human') effects.push(...hidden(pending, op))
    else if (pending.kind !== 'step' || !pending.running) effects.push({ kind: 'drop-timer', timer: op })
    else effects.push({ kind: 'abort-step', op })
  }
  if (state.deadlineAt !== undefined) effects.push({ kind: 'drop-timer', timer: DEADLINE_TIMER })
  if (state.notBefore > state.startedAt) effects.push({ kind: 'drop-timer', timer: START_TIMER })
  const message = closedMessage(state, event)
  if (message !== undefined) effects.push({ kind: 'send', message })
  return decided([event], effects)
}

/** The task is not wanted any more. */
export function withdrawal(
  { key: to, runId }: ExecutionState,
  { task, queue, partition }: PendingTask,
): Effect {
  const at = { namespace: to.namespace, queue, partition }
  return { kind: 'send', message: { kind: 'withdraw-task', to, runId, task, queue: at } }
}

/** What the parent is told of this end; undefined if there is no parent, or the execution goes on in another run. */
export function closedMessage(state: ExecutionState, event: TerminalEvent): Message | undefined {
  const outcome = outcomeOf(event)
  if (state.parent === undefined || outcome === undefined) return undefined
  const { key: to, runId: parentRunId, op } = state.parent
  const { key: child, runId: childRunId } = state
  return {
    kind: 'child-closed',
    to,
    parentRunId,
    op,
    child,
    childRunId,
    outcome,
    ...(isEndedByParent(state, event) ? { parentClosed: true } : {}),
  }
}

function isEndedByParent(state: ExecutionState, event: TerminalEvent): boolean {
  if (event.type === 'execution-terminated') return event.parentClosed === true
  return event.type === 'execution-cancelled' && state.isCancelledByParent === true
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
  const parent = parentLink(state, op)
  const message: Message = { kind, to: child.key, parent, reason, parentClosed: true }
  effects.push({ kind: 'send', message })
}
