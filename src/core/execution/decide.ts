/**
 * `decide`: every decision about an execution, pure.
 *
 * 1. A closed execution accepts nothing but `retry` (and repeats of what it has answered).
 * 2. A completion is accepted only for the attempt that runs: late, repeated and foreign ones change nothing.
 * 3. A timer fires only while its operation is pending, and never before it is due.
 * 4. Exactly one terminal event stands: `execution-reopened` withdraws the failure it names.
 * 5. What a child suffers from the closing of its parent is never told to a parent that was reopened: the child is
 *    withdrawn, and replay asks for it again.
 */

import { backoffMs } from '../../protocol/backoff.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import type { Failure } from '../../protocol/failure.ts'
import { platformFailure } from '../../protocol/failure.ts'
import type { TaskEnd } from '../../protocol/message.ts'
import { DEFAULT_RETRY } from '../../protocol/retry-policy.ts'
import { closing } from './closing.ts'
import { decideWorkflowCommand } from './decide-workflow-command.ts'
import {
  type Circumstances,
  type Command,
  type Decision,
  decided,
  type Effect,
  NOTHING,
  rejected,
} from './decision.ts'
import { decideHuman } from './human/decide-human.ts'
import { decideHumanTime } from './human/decide-human-time.ts'
import { type ExecutionState, parentLink } from './state.ts'
import { DEADLINE_TIMER, START_TIMER } from './timer-ids.ts'

type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>

export function decide(state: ExecutionState, command: Command, circumstances: Circumstances): Decision {
  switch (command.type) {
    case 'start':
      // Only the first start counts: this run has begun.
      return state.seq > 0 ? NOTHING : decideStart(command, circumstances)
    case 'retry':
      return decideRetry(state, circumstances)
    case 'update':
      return decideUpdate(state, command, circumstances)
    case 'signal':
      return decideSignal(state, command, circumstances)
    case 'human':
      return decideHuman(state, command, circumstances)
    default:
      break
  }
  if (isClosed(state.status)) return decideClosed(state, command)
  const at = circumstances.now
  switch (command.type) {
    case 'workflow':
      return state.status === 'parked'
        ? NOTHING
        : decideWorkflowCommand(state, command.command, circumstances)
    case 'step-completed':
      return decideStepCompleted(state, command, at)
    case 'step-failed':
      return decideStepFailed(state, command, at)
    case 'timer-due':
      return decideTimerDue(state, command, at)
    case 'child-closed':
      return decideChildClosed(state, command, at)
    case 'task-closed':
      return decideTaskClosed(state, command, at)
    case 'cancel':
      if (state.cancelReason !== undefined) return NOTHING
      return decided([{ ...requested(command, 'cancel-requested'), at }])
    case 'terminate':
      return closing(state, { ...requested(command, 'execution-terminated'), at })
    case 'fail':
      return closing(state, { type: 'execution-failed', failure: command.failure, at })
    case 'park':
      // Tried again, and parked again: only another reason is worth an event.
      return state.status === 'parked' && isSameReason(state.parkedFailure, command.failure)
        ? NOTHING
        : decided([{ type: 'execution-parked', failure: command.failure, at }])
    case 'resume':
      return state.status === 'parked' ? decided([{ type: 'execution-resumed', at }]) : NOTHING
  }
}

function isSameReason(a: Failure | undefined, b: Failure): boolean {
  return a !== undefined && a.code === b.code && a.message === b.message
}

function requested<T extends string>({ reason, parentClosed }: CommandOf<'cancel' | 'terminate'>, type: T) {
  return { type, reason, ...(parentClosed === undefined ? {} : { parentClosed }) }
}

function decideClosed(state: ExecutionState, command: Command): Decision {
  if (command.type === 'cancel' || command.type === 'terminate') {
    return rejected('EXECUTION_CLOSED', `execution ${state.key.workflowId} is ${state.status}`)
  }
  // Such as the timer of a delayed start that was due, but had not fired, when the execution ended.
  if (command.type === 'timer-due') return decided([], [{ kind: 'drop-timer', timer: command.timer }])
  return NOTHING
}

function decideStart(command: CommandOf<'start'>, { now }: Circumstances): Decision {
  const { started } = command
  const effects: Effect[] = []
  if (started.notBefore !== undefined && started.notBefore > now) {
    effects.push({ kind: 'arm-timer', timer: START_TIMER, dueAt: started.notBefore })
  }
  if (started.deadlineAt !== undefined) {
    effects.push({ kind: 'arm-timer', timer: DEADLINE_TIMER, dueAt: started.deadlineAt })
  }
  const first = { type: 'execution-started' as const, ...started, at: now }
  if (command.signals === undefined) return decided([first], effects)
  const signals = command.signals.map(({ name, payload, requestId }) => ({
    type: 'signal-received' as const,
    name,
    payload,
    ...(requestId === undefined ? {} : { requestId }),
    at: now,
  }))
  return decided([first, ...signals], effects)
}

function decideStepCompleted(
  state: ExecutionState,
  command: CommandOf<'step-completed'>,
  at: number,
): Decision {
  const step = state.ops.get(command.op)
  if (step?.kind !== 'step' || !step.running || step.attempt !== command.attempt) return NOTHING
  const { op, attempt, result } = command
  if (attempt === 1) return decided([{ type: 'step-completed', op, name: step.name, result, at }])
  return decided([{ type: 'step-completed', op, name: step.name, attempt, result, at }])
}

function decideStepFailed(state: ExecutionState, command: CommandOf<'step-failed'>, at: number): Decision {
  const { op, attempt, failure, random } = command
  const step = state.ops.get(op)
  if (step?.kind !== 'step' || !step.running || step.attempt !== attempt) return NOTHING
  const policy = step.retry ?? DEFAULT_RETRY
  const { name } = step
  if (
    failure.nonRetryable === true ||
    attempt >= policy.maxAttempts ||
    policy.nonRetryable.includes(failure.name)
  ) {
    return decided([{ type: 'step-failed', op, name, attempt, failure, at }])
  }
  const delayMs = backoffMs(policy, attempt, step.delayMs, random)
  const retryAt = at + delayMs
  return decided(
    [{ type: 'step-attempt-failed', op, name, attempt, failure, retryAt, delayMs, at }],
    [{ kind: 'arm-timer', timer: op, dueAt: retryAt }],
  )
}

function decideTimerDue(state: ExecutionState, command: CommandOf<'timer-due'>, at: number): Decision {
  const { timer } = command
  const dropped: Effect = { kind: 'drop-timer', timer }
  // Whoever asked has forgotten the timer: one that is early is armed again.
  const early = (dueAt: number): Decision => decided([], [{ kind: 'arm-timer', timer, dueAt }])
  if (timer === START_TIMER) return at < state.notBefore ? early(state.notBefore) : decided([], [dropped])
  if (timer === DEADLINE_TIMER) {
    if (state.deadlineAt === undefined) return decided([], [dropped])
    if (at < state.deadlineAt) return early(state.deadlineAt)
    return closing(state, { type: 'execution-timed-out', timeoutMs: state.timeoutMs ?? 0, at })
  }
  const pending = state.ops.get(timer)
  if (pending === undefined || pending.kind === 'child' || pending.kind === 'task')
    return decided([], [dropped])
  if (pending.kind === 'step') {
    if (pending.running) return decided([], [dropped])
    if (at < pending.retryAt) return early(pending.retryAt)
    if (!pending.issued) return decided([], [dropped])
    return decided(
      [],
      [dropped, { kind: 'run-step', op: timer, attempt: pending.attempt + 1 }],
      [{ type: 'step-attempt-started', op: timer }],
    )
  }
  if (pending.kind === 'human') return decideHumanTime(pending, timer, at)
  if (at < pending.dueAt) return early(pending.dueAt)
  return decided([{ type: 'timer-fired', op: timer, at }], [dropped])
}

function decideSignal(
  state: ExecutionState,
  command: CommandOf<'signal'>,
  { now, limits }: Circumstances,
): Decision {
  const { name, payload, requestId } = command
  if (requestId !== undefined && state.requestIds?.has(requestId) === true) return NOTHING
  if (isClosed(state.status))
    return rejected('EXECUTION_CLOSED', `execution ${state.key.workflowId} is ${state.status}`)
  if ((state.signals?.size ?? 0) >= limits.queuedSignals) {
    return rejected(
      'TOO_MANY_SIGNALS',
      `execution ${state.key.workflowId} has ${limits.queuedSignals} signals that it has not consumed`,
    )
  }
  return decided([
    { type: 'signal-received', name, payload, ...(requestId === undefined ? {} : { requestId }), at: now },
  ])
}

function decideUpdate(state: ExecutionState, command: CommandOf<'update'>, { now }: Circumstances): Decision {
  const { updateId, name, payload } = command
  if (state.updates?.has(updateId) === true) return NOTHING
  if (isClosed(state.status))
    return rejected('EXECUTION_CLOSED', `execution ${state.key.workflowId} is ${state.status}`)
  return decided([{ type: 'update-accepted', updateId, name, payload, at: now }])
}

function decideChildClosed(state: ExecutionState, command: CommandOf<'child-closed'>, at: number): Decision {
  const { op, child, childRunId, outcome, parentClosed } = command
  const pending = state.ops.get(op)
  if (pending?.kind !== 'child' || pending.key.workflowId !== child.workflowId) return NOTHING
  // A run of before the operation was asked for again. A child that continued as new has a higher one.
  if (childRunId !== undefined && childRunId < pending.runId) return NOTHING
  // This execution has closed and was reopened: for its code the child goes on, and so it has to run again.
  if (parentClosed === true) return decided([{ type: 'child-withdrawn', op, at }])
  if (outcome.ok) return decided([{ type: 'child-completed', op, result: outcome.result, at }])
  return decided([
    { type: 'child-failed', op, failure: childFailure(pending.name, child.workflowId, outcome.failure), at },
  ])
}

function decideTaskClosed(
  state: ExecutionState,
  { op, task, end }: CommandOf<'task-closed'>,
  at: number,
): Decision {
  const pending = state.ops.get(op)
  if (pending?.kind !== 'task' || pending.task !== task) return NOTHING
  const { name } = pending
  const { attempts } = end
  if (end.status !== 'completed')
    return decided([{ type: 'task-failed', op, name, attempts, failure: taskFailure(name, end), at }])
  const { startedAt, servedMs, result } = end
  const attempt = attempts === 1 ? {} : { attempt: attempts }
  return decided([{ type: 'task-completed', op, name, ...attempt, startedAt, servedMs, result, at }])
}

function taskFailure(name: string, end: Exclude<TaskEnd, { readonly status: 'completed' }>): Failure {
  const code = end.status === 'expired' ? 'TASK_EXPIRED' : 'TASK_FAILED'
  const what = end.status === 'cancelled' ? 'was cancelled' : end.status
  return platformFailure(code, `task ${name} ${what}: ${end.failure.message}`, end.failure)
}

function childFailure(workflow: string, workflowId: string, cause: Failure): Failure {
  return platformFailure('CHILD_FAILED', `child ${workflow} ${workflowId} failed: ${cause.message}`, cause)
}

/** A parked execution goes on; a failed one goes on from the operation that failed it, if nothing was done after that. */
function decideRetry(state: ExecutionState, { now }: Circumstances): Decision {
  if (state.status === 'parked') return decided([{ type: 'execution-resumed', at: now }])
  const failed = state.terminal
  if (failed?.type !== 'execution-failed') {
    return rejected(
      'RETRY_IMPOSSIBLE',
      `execution ${state.key.workflowId} is ${state.status}: only failed and parked executions can be retried`,
    )
  }
  if ((failed.operationsAfter ?? 0) > 0) {
    return rejected(
      'RETRY_IMPOSSIBLE',
      `execution ${state.key.workflowId} made ${failed.operationsAfter} operations after the one that failed it (such as compensations)`,
    )
  }
  const effects: Effect[] = []
  if (state.timeoutMs !== undefined)
    effects.push({ kind: 'arm-timer', timer: DEADLINE_TIMER, dueAt: now + state.timeoutMs })
  for (const [op, pending] of state.ops) {
    if (pending.kind === 'sleep' || pending.kind === 'wait')
      effects.push({ kind: 'arm-timer', timer: op, dueAt: pending.dueAt })
    if (pending.kind === 'step' && pending.lastFailure !== undefined)
      effects.push({ kind: 'arm-timer', timer: op, dueAt: pending.retryAt })
    if (pending.kind === 'child') {
      const parent = parentLink(state, op)
      effects.push({ kind: 'send', message: { kind: 'report-outcome', to: pending.key, parent } })
    }
  }
  const reopened = { type: 'execution-reopened' as const, failedSeq: state.seq, at: now }
  return decided([failed.op === undefined ? reopened : { ...reopened, op: failed.op }], effects)
}
