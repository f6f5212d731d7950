/** What reaches an execution from outside, and how to make it happen again from the event that recorded it. */
import { DEADLINE_TIMER } from '../../src/core/execution/timer-ids.ts'
import type { Event } from '../../src/protocol/event.ts'
import { type Failure, platformFailure } from '../../src/protocol/failure.ts'
import type { ChildOutcome, TaskEnd } from '../../src/protocol/message.ts'
import type { KernelHarness } from './harness.ts'
import { passHumanTime, repeatChange, repeatEnd } from './human-inputs.ts'

const INPUTS: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'step-completed',
  'step-failed',
  'step-attempt-failed',
  'timer-fired',
  'signal-received',
  'child-completed',
  'child-failed',
  'child-withdrawn',
  'task-completed',
  'task-failed',
  'human-task-changed',
  'human-task-closed',
  'update-accepted',
  'cancel-requested',
  'execution-parked',
  'execution-reopened',
  'execution-terminated',
  'execution-timed-out',
])

/** Everything else in a journal was made by code, or says that it was started or resumed. */
export function isInput(event: Event): boolean {
  // Code has withdrawn it.
  if (event.type === 'human-task-closed' && event.outcome === 'cancelled') return false
  return INPUTS.has(event.type)
}

/** Jitter that depends on the attempt alone, so that every run of a program draws the same. */
export function jitterOf(op: number, attempt: number): number {
  return ((op * 7 + attempt * 13) % 10) / 10
}

/** Makes the same thing happen. False if the execution cannot take it (yet). */
export function applyInput(harness: KernelHarness, event: Event): boolean {
  const before = harness.journal.length
  harness.nowMs = Math.max(harness.nowMs, event.at)
  switch (event.type) {
    case 'step-completed':
    case 'step-failed':
    case 'step-attempt-failed':
      applyStep(harness, event)
      break
    case 'timer-fired':
      fireTimer(harness, event.op)
      break
    case 'signal-received': {
      const { name, payload, requestId } = event
      harness.apply({ type: 'signal', name, payload, requestId })
      break
    }
    case 'child-completed':
      closeChild(harness, event.op, { ok: true, result: event.result })
      break
    case 'child-failed':
      closeChild(harness, event.op, { ok: false, failure: event.failure.cause ?? event.failure })
      break
    case 'child-withdrawn':
      endChildByParent(harness, event.op)
      break
    case 'task-completed':
      closeTask(harness, event.op, {
        status: 'completed',
        attempts: event.attempt ?? 1,
        startedAt: event.startedAt,
        servedMs: event.servedMs,
        result: event.result,
      })
      break
    case 'task-failed': {
      const { op, attempts, failure } = event
      closeTask(harness, op, { status: statusOf(failure), attempts, failure: failure.cause ?? failure })
      break
    }
    case 'human-task-changed':
      repeatChange(harness, event)
      break
    case 'human-task-closed':
      repeatEnd(harness, event)
      break
    case 'update-accepted': {
      const { updateId, name, payload } = event
      harness.apply({ type: 'update', updateId, name, payload })
      break
    }
    case 'cancel-requested':
      harness.apply({ type: 'cancel', reason: event.reason })
      break
    default:
      applyRare(harness, event)
  }
  return harness.journal.length > before
}

function applyRare(harness: KernelHarness, event: Event): void {
  switch (event.type) {
    case 'execution-parked':
      harness.parkForMissingCode()
      return
    case 'execution-reopened':
      harness.retry()
      return
    case 'execution-terminated':
      harness.apply({ type: 'terminate', reason: event.reason })
      return
    case 'execution-timed-out':
      harness.nowMs = Math.max(harness.nowMs, harness.state.deadlineAt ?? 0)
      harness.apply({ type: 'timer-due', timer: DEADLINE_TIMER })
      return
    default:
      throw new Error(`${event.type} is no input`)
  }
}

type StepEvent = Extract<Event, { type: 'step-completed' | 'step-failed' | 'step-attempt-failed' }>

function applyStep(harness: KernelHarness, event: StepEvent): void {
  const { op, attempt = 1 } = event
  const step = harness.state.ops.get(op)
  if (step?.kind === 'step' && !step.running && step.issued) fireTimer(harness, op)
  if (event.type === 'step-completed') {
    harness.apply({ type: 'step-completed', op, attempt, result: event.result })
  } else failStep(harness, op, attempt, event.failure)
}

export function failStep(harness: KernelHarness, op: number, attempt: number, failure: Failure): void {
  harness.apply({ type: 'step-failed', op, attempt, failure, random: jitterOf(op, attempt) })
}

/** Time moves on to when the timer is due, and it fires. */
export function fireTimer(harness: KernelHarness, op: number): void {
  const pending = harness.state.ops.get(op)
  if (pending === undefined || pending.kind === 'child' || pending.kind === 'task') return
  if (pending.kind === 'human') return passHumanTime(harness, op)
  harness.nowMs = Math.max(harness.nowMs, pending.kind === 'step' ? pending.retryAt : pending.dueAt)
  harness.apply({ type: 'timer-due', timer: op })
}

export function closeTask(harness: KernelHarness, op: number, end: TaskEnd): void {
  const pending = harness.state.ops.get(op)
  if (pending?.kind === 'task') harness.apply({ type: 'task-closed', op, task: pending.task, end })
}

function statusOf({ code, message }: Failure): 'failed' | 'cancelled' | 'expired' {
  if (code === 'TASK_EXPIRED') return 'expired'
  return message.includes('was cancelled') ? 'cancelled' : 'failed'
}

/** The end of the execution has ended its child, and it learns that after it was reopened. */
export function endChildByParent(harness: KernelHarness, op: number): void {
  const pending = harness.state.ops.get(op)
  if (pending?.kind !== 'child') return
  const outcome = {
    ok: false as const,
    failure: platformFailure('EXECUTION_TERMINATED', 'parent w has closed'),
  }
  harness.apply({ type: 'child-closed', op, child: pending.key, outcome, parentClosed: true })
}

export function closeChild(harness: KernelHarness, op: number, outcome: ChildOutcome): void {
  const pending = harness.state.ops.get(op)
  if (pending?.kind !== 'child') return
  harness.apply({ type: 'child-closed', op, child: pending.key, outcome })
}
