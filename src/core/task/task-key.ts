/**
 * The key of a task without a workflow: while a task holds one, another enqueue with it makes no second task. Pure.
 *
 * 1. A deduplication key is held while the task is open, and until its window is over, whichever is longer.
 * 2. A debounce key is held while the first delay of the task lasts: then its input may still be replaced.
 */
import type { Payload } from '../../protocol/payload.ts'
import { isTaskClosed } from '../../protocol/task-status.ts'
import { attemptsOf, type TaskRecord, type TaskSpec } from './task-record.ts'

/** The key as it is stored: keys of different kinds, or of tasks with different names, never meet. */
export function keyTextOf(name: string, { dedupe, debounce }: Pick<TaskSpec, 'dedupe' | 'debounce'>) {
  if (dedupe !== undefined) return JSON.stringify(['dedupe', name, dedupe.key])
  if (debounce !== undefined) return JSON.stringify(['debounce', name, debounce.key])
  return undefined
}

export function isKeyHeld({ status, state }: TaskRecord, spec: TaskSpec, nowMs: number): boolean {
  const { dedupe, debounce, enqueuedMs } = spec
  if (dedupe !== undefined) return !isTaskClosed(status) || nowMs < enqueuedMs + (dedupe.forMs ?? 0)
  return debounce !== undefined && status === 'delayed' && attemptsOf(state) === 0
}

/** Debounced again: it gets the newest input, and waits anew, but no longer than its `maxWaitMs` from its enqueueing on. */
export function debounced(
  { status, state }: TaskRecord,
  { enqueuedMs }: TaskSpec,
  input: Payload,
  {
    nowMs,
    waitMs,
    maxWaitMs,
  }: { readonly nowMs: number; readonly waitMs: number; readonly maxWaitMs?: number },
): TaskRecord {
  const latestMs = maxWaitMs === undefined ? Number.POSITIVE_INFINITY : enqueuedMs + maxWaitMs
  const wakeMs = Math.max(nowMs, Math.min(nowMs + waitMs, latestMs))
  // Its time limits count from its start.
  return { status, state: { ...state, input, wakeMs, sinceMs: wakeMs } }
}
