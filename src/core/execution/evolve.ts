/**
 * `evolve`: the only code that changes an execution's state.
 *
 * Transient events are facts that replay makes again (a step was asked for, a signal was consumed): they change the state
 * and are not journaled.
 */
import {
  type Event,
  isTerminal,
  type Operation,
  type StepAttemptFailed,
  type TerminalEvent,
} from '../../protocol/event.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { RetryPolicy } from '../../protocol/retry-policy.ts'
import { evolveHuman } from './human/evolve-human.ts'
import { rememberRequest } from './request-ids.ts'
import type { ExecutionState } from './state.ts'

export type TransientEvent =
  | {
      readonly type: 'step-issued'
      readonly op: Operation
      readonly name: string
      readonly retry: RetryPolicy | undefined
      readonly running: boolean
    }
  | { readonly type: 'step-attempt-started'; readonly op: Operation }
  | { readonly type: 'op-dropped'; readonly op: Operation }
  | { readonly type: 'signal-consumed'; readonly seq: number }

const CLOSED_STATUS: Readonly<Record<TerminalEvent['type'], ExecutionStatus>> = {
  'execution-completed': 'completed',
  'execution-failed': 'failed',
  'execution-cancelled': 'cancelled',
  'execution-terminated': 'terminated',
  'execution-timed-out': 'timed-out',
  'execution-continued': 'continued',
}

/** Applies a journaled event; it gets the next number. */
export function evolve(state: ExecutionState, event: Event): void {
  state.seq += 1
  state.lastAt = event.at
  switch (event.type) {
    case 'step-completed':
    case 'step-failed':
      settle(state, event.op)
      return
    case 'timer-fired':
    case 'child-completed':
    case 'child-failed':
    case 'task-completed':
    case 'task-failed':
      state.ops.delete(event.op)
      return
    case 'task-scheduled':
      state.ops.set(event.op, {
        kind: 'task',
        name: event.name,
        task: event.task,
        queue: event.queue,
        partition: event.partition ?? 0,
      })
      return
    case 'human-task-opened':
    case 'human-task-changed':
    case 'human-task-closed':
      evolveHuman(state, event)
      return
    case 'step-attempt-failed':
      evolveAttemptFailed(state, event)
      return
    case 'timer-started':
      state.ops.set(event.op, { kind: event.kind, name: event.name, dueAt: event.dueAt })
      return
    case 'child-started':
      state.ops.set(event.op, {
        kind: 'child',
        name: event.name,
        key: event.key,
        runId: event.runId,
        closePolicy: event.closePolicy,
      })
      return
    case 'child-withdrawn':
      state.ops.delete(event.op)
      forgetIssued(state)
      return
    case 'attributes-set':
      state.attributes = { ...state.attributes, ...event.values }
      return
    case 'child-signalled':
    case 'patch-marked':
      return
    default:
      evolveExecution(state, event)
  }
}

function evolveExecution(state: ExecutionState, event: Event): void {
  switch (event.type) {
    case 'execution-started':
      state.key = event.key
      state.workflow = event.workflow
      state.version = event.version
      state.build = event.buildId
      state.startedAt = event.at
      state.depth = event.depth ?? 0
      state.parent = event.parent
      state.notBefore = event.notBefore ?? event.at
      state.timeoutMs = event.timeoutMs
      state.deadlineAt = event.deadlineAt
      state.attributes = event.attributes ?? null
      state.client = event.client
      state.mark = event.mark
      state.trace = event.trace
      return
    case 'signal-received':
      state.signals ??= new Map()
      state.signals.set(state.seq, { name: event.name, payload: event.payload, requestId: event.requestId })
      if (event.requestId !== undefined) rememberRequest(state, event.requestId)
      return
    case 'update-accepted':
      state.updates ??= new Map()
      state.updates.set(event.updateId, null)
      return
    case 'update-completed':
      state.updates?.set(event.updateId, event)
      return
    case 'cancel-requested':
      state.cancelReason = event.reason
      state.isCancelledByParent = event.parentClosed
      return
    case 'execution-parked':
      state.status = 'parked'
      state.parkedFailure = event.failure
      forgetIssued(state)
      return
    case 'execution-resumed':
      state.status = 'running'
      state.parkedFailure = undefined
      return
    case 'execution-reopened':
      state.status = 'running'
      state.closedAt = null
      state.terminal = undefined
      if (state.timeoutMs !== undefined) state.deadlineAt = event.at + state.timeoutMs
      forgetIssued(state)
      // The failure withdrew them: code asks for them again, and gets others.
      for (const [op, pending] of state.ops)
        if (pending.kind === 'task' || pending.kind === 'human') state.ops.delete(op)
      return
    default:
      if (!isTerminal(event)) return
      state.status = CLOSED_STATUS[event.type]
      state.closedAt = event.at
      state.terminal = event
  }
}

export function evolveTransient(state: ExecutionState, event: TransientEvent): void {
  switch (event.type) {
    case 'step-issued': {
      const known = state.ops.get(event.op)
      if (known?.kind === 'step') {
        known.issued = true
        known.retry = event.retry
        if (event.running) startAttempt(state, known)
        return
      }
      state.ops.set(event.op, {
        kind: 'step',
        name: event.name,
        issued: true,
        running: true,
        attempt: 1,
        retry: event.retry,
        retryAt: 0,
        delayMs: 0,
        lastFailure: undefined,
      })
      state.runnableSteps += 1
      return
    }
    case 'step-attempt-started': {
      const step = state.ops.get(event.op)
      if (step?.kind === 'step') startAttempt(state, step)
      return
    }
    case 'op-dropped':
      settle(state, event.op)
      return
    case 'signal-consumed':
      state.signals?.delete(event.seq)
  }
}

/** Forgets what only live code knows; used when the code of a run is dropped and will be replayed. */
export function forgetIssued(state: ExecutionState): void {
  for (const [op, pending] of state.ops) {
    if (pending.kind !== 'step') continue
    if (pending.lastFailure === undefined) state.ops.delete(op)
    else {
      // The attempt that ran is not journaled: the next one has its number again.
      if (pending.running) pending.attempt -= 1
      pending.running = false
      pending.issued = false
    }
  }
  state.runnableSteps = 0
}

function startAttempt(state: ExecutionState, step: { running: boolean; attempt: number }): void {
  if (step.running) return
  step.running = true
  step.attempt += 1
  state.runnableSteps += 1
}

function settle(state: ExecutionState, op: Operation): void {
  const pending = state.ops.get(op)
  if (pending === undefined) return
  if (pending.kind === 'step' && pending.running) state.runnableSteps -= 1
  state.ops.delete(op)
}

function evolveAttemptFailed(state: ExecutionState, event: StepAttemptFailed): void {
  const known = state.ops.get(event.op)
  const step = known?.kind === 'step' ? known : undefined
  if (step?.running === true) state.runnableSteps -= 1
  state.ops.set(event.op, {
    kind: 'step',
    name: event.name,
    issued: step?.issued ?? false,
    running: false,
    attempt: event.attempt,
    retry: step?.retry,
    retryAt: event.retryAt,
    delayMs: event.delayMs,
    lastFailure: event.failure,
  })
}
