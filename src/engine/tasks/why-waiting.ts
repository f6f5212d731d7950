/** "Why is this waiting?": one sentence, and the same as data. */
import { attemptsOf } from '../../core/task/task-record.ts'
import type { QueuePause } from '../../protocol/queue-explanation.ts'
import { DEFAULT_RETRY } from '../../protocol/retry-policy.ts'
import type { TaskExplanation } from '../../protocol/task-port.ts'
import { parseClassId } from '../workers/task-class.ts'
import type { LiveQueue } from './live-queue.ts'
import type { LiveTask } from './live-task.ts'

export interface Surroundings {
  readonly live: LiveQueue
  readonly isRunning: boolean
  readonly nowMs: number
}

export function whyWaiting(task: LiveTask, { live, isRunning, nowMs }: Surroundings): TaskExplanation {
  const { spec, record } = task
  const { status, state } = record
  const attempts = attemptsOf(state)
  const { maxAttempts } = spec.retry ?? DEFAULT_RETRY
  if (isRunning)
    return { reason: 'running', sentence: `it runs, attempt ${attempts + 1} of ${maxAttempts}`, attempts }
  if (status === 'delayed') {
    const untilMs = state.wakeMs ?? nowMs
    const inMs = Math.max(0, untilMs - nowMs)
    if (attempts === 0) return { reason: 'delayed', sentence: `its time comes in ${shownMs(inMs)}`, untilMs }
    const sentence = `attempt ${attempts + 1} of ${maxAttempts} begins in ${shownMs(inMs)}: ${state.failure?.message ?? 'the last one failed'}`
    return { reason: 'retry', sentence, untilMs, attempts }
  }
  if (status !== 'waiting') return { reason: status, sentence: `it is ${status}` }
  return waiting(task, live) ?? busy(task, live)
}

/** What holds it up; undefined: only those before it. */
function waiting(task: LiveTask, { queue, crew, pause }: LiveQueue): TaskExplanation | undefined {
  const { head, lane, about } = task
  if (queue.isPaused)
    return {
      reason: 'paused',
      sentence: pauseSentence(head.queue, pause),
      ...(pause === undefined ? {} : { pause }),
    }
  if (!crew.isSupported(lane.classId)) {
    const { requires } = parseClassId(lane.classId)
    const what = requires === undefined ? '' : ` and has ${JSON.stringify(requires)}`
    return { reason: 'no-code', sentence: `no worker has code for task ${head.name}${what}` }
  }
  const { limits } = queue.limits
  if (limits.concurrency !== undefined && queue.limits.running >= limits.concurrency) {
    const sentence = `queue ${head.queue} is at its limit of ${limits.concurrency} at once`
    return { reason: 'queue-limit', sentence, limit: limits.concurrency }
  }
  const limitKey = queue.limits.keyOf(about.key)
  const hold = queue.limits.holdOf(limitKey)
  if (hold?.kind === 'concurrency') {
    const limit = limits.keyConcurrency ?? 0
    return {
      reason: 'key-limit',
      sentence: `key ${limitKey} is at its limit of ${limit} at once`,
      limit,
    }
  }
  if (hold?.untilMs !== undefined)
    return {
      reason: 'key-rate',
      sentence: `key ${limitKey} has used up its rate`,
      untilMs: hold.untilMs,
    }
  return undefined
}

function busy(task: LiveTask, { key: { queue: name }, queue, crew }: LiveQueue): TaskExplanation {
  const others = queue.waiting - 1
  // While some are being moved, nobody knows what is ahead.
  const ahead =
    queue.astray > 0 ? undefined : queue.backlog.ahead(task, (classId) => crew.isSupported(classId))
  const { free, running } = crew.places
  const places = free > 0 ? `${free} places are free` : `all ${running} places are taken`
  const where = `in queue ${name} under ${queue.policy.name}; ${places}`
  if (ahead === undefined) {
    const line = others === 1 ? '1 other task waits' : `${others.toLocaleString('en')} other tasks wait`
    return { reason: 'in-line', sentence: `${line} ${where}`, others }
  }
  const line = ahead === 1 ? '1 task is' : `${ahead === 0 ? 'no' : ahead.toLocaleString('en')} tasks are`
  return { reason: 'in-line', sentence: `${line} ahead of it ${where}`, others, ahead }
}

export function pauseSentence(queue: string, pause: QueuePause | undefined): string {
  if (pause === undefined) return `queue ${queue} is paused`
  return `queue ${queue} is paused since ${new Date(pause.atMs).toISOString()}: ${pause.reason}`
}

export function shownMs(ms: number): string {
  return ms < 1000 ? `${Math.ceil(ms)} ms` : `${Math.ceil(ms / 1000)} s`
}
