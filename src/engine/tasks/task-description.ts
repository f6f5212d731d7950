/** What clients are told of a task. */

import { attemptsOf, type TaskRecord } from '../../core/task/task-record.ts'
import type { TaskEnd } from '../../protocol/message.ts'
import type { TaskDescription, TaskOutcome } from '../../protocol/task-port.ts'
import { aboutOf, type LiveTask } from './live-task.ts'

export function taskOutcomeOf({ status, state }: TaskRecord): TaskOutcome | undefined {
  if (status === 'completed' && state.result !== undefined) return { status, result: state.result }
  if (status !== 'failed' && status !== 'cancelled' && status !== 'expired') return undefined
  if (state.failure === undefined) throw new Error(`invariant: a ${status} task has no failure`)
  return { status, failure: state.failure }
}

/** What the execution that asked for a closed task is told. */
export function taskEndOf({ record: { status, state } }: LiveTask): TaskEnd {
  const attempts = attemptsOf(state)
  if (status === 'completed' && state.result !== undefined) {
    const { startedMs = 0, servedMs = 0, result } = state
    return { status, attempts, startedAt: startedMs, servedMs, result }
  }
  if (status !== 'failed' && status !== 'cancelled' && status !== 'expired')
    throw new Error(`invariant: a task that is ${status} has no end`)
  if (state.failure === undefined) throw new Error(`invariant: a ${status} task has no failure`)
  return { status, attempts, failure: state.failure }
}

export function taskDescriptionOf(task: LiveTask, isRunning: boolean): TaskDescription {
  const { head, spec, record, closedAt } = task
  const { state, status } = record
  const { key, priority } = aboutOf(head, spec, state)
  return {
    id: task.id,
    name: head.name,
    queue: head.queue,
    key,
    owner: spec.owner,
    priority,
    status: isRunning ? 'running' : status,
    attempts: attemptsOf(state) + (isRunning ? 1 : 0),
    enqueuedAt: spec.enqueuedMs,
    startedAt: state.startedMs ?? runningSince(task, isRunning),
    closedAt: closedAt ?? undefined,
    delayedUntil: status === 'delayed' ? state.wakeMs : undefined,
    ...workerOf(task),
    servedMs: state.servedMs ?? 0,
    progress: state.progress,
    failure: state.failure,
  }
}

/** Of its first attempt, which is in the record when it has ended. */
function runningSince({ isStarted, startedAtMs }: LiveTask, isRunning: boolean): number | undefined {
  return isRunning && isStarted ? startedAtMs : undefined
}

function workerOf({ member, record }: LiveTask): { readonly worker?: string } {
  if (member !== undefined) return member.profile.isLocal === true ? {} : { worker: member.id }
  const { worker } = record.state
  return worker === undefined ? {} : { worker }
}
