/** "Why is this waiting?": one sentence, and the same as data. */
import { attemptsOf } from '../../core/task/task-record.ts'
import type { QueuePause } from '../../protocol/queue-explanation.ts'
import { DEFAULT_RETRY } from '../../protocol/retry-policy.ts'
import type { TaskExplanation } from '../../protocol/task-port.ts'
import { parseClassId } from '../workers/task-class.ts'
import type { LiveQueue } from './live-queue.ts'
import type { LiveTask } from './live-task.ts'
import { lackText, placesText } from './places-text.ts'

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
  return waiting(task, live, nowMs) ?? { reason: 'in-line', ...inLine(task, live) }
}

/** What holds it up; undefined: only those before it. */
function waiting(task: LiveTask, live: LiveQueue, nowMs: number): TaskExplanation | undefined {
  const { head, lane, about } = task
  const { queue, crew, pause } = live
  if (queue.isPaused)
    return {
      reason: 'paused',
      sentence: pauseSentence(head.queue, pause),
      ...(pause === undefined ? {} : { pause }),
    }
  if (!crew.isSupported(lane.classId)) {
    const sentence = lackText(parseClassId(lane.classId), crew.hasCode(head.name))
    return { reason: 'no-code', sentence }
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
      sentence: `key ${limitKey} has used up its rate for ${shownMs(Math.max(0, hold.untilMs - nowMs))}`,
      untilMs: hold.untilMs,
    }
  const startMs = queue.limits.mayStart(nowMs)
  if (typeof startMs === 'boolean') return undefined
  const { ahead, others } = lineOf(task, live)
  const sentence = `${rateSentence(head.queue, startMs - nowMs)}; ${lineText({ ahead, others })}`
  return {
    reason: 'queue-rate',
    sentence,
    untilMs: startMs,
    others,
    ...(ahead === undefined ? {} : { ahead }),
  }
}

interface Line {
  readonly others: number
  /** Undefined: nobody knows. */
  readonly ahead: number | undefined
}

function lineOf(task: LiveTask, { queue, crew }: LiveQueue): Line {
  const others = queue.waiting - 1
  // While some are being moved, nobody knows what is ahead.
  const ahead =
    queue.astray > 0 ? undefined : queue.backlog.ahead(task, (classId) => crew.isSupported(classId))
  return { others, ahead }
}

function lineText({ others, ahead }: Line): string {
  if (ahead === undefined)
    return others === 1 ? '1 other task waits' : `${others.toLocaleString('en')} other tasks wait`
  return `${ahead === 1 ? '1 task is' : `${ahead === 0 ? 'no' : ahead.toLocaleString('en')} tasks are`} ahead of it`
}

function inLine(task: LiveTask, live: LiveQueue): Omit<TaskExplanation, 'reason'> {
  const { others, ahead } = lineOf(task, live)
  const { classId } = task.lane
  const places = live.crew.placesOf(classId)
  const { ejected } = places
  const where = `in queue ${live.key.queue} under ${live.queue.policy.name}`
  return {
    sentence: `${lineText({ others, ahead })} ${where}; ${placesText(places, parseClassId(classId))}`,
    ...(ejected.length === 0 ? {} : { ejected }),
    others,
    ...(ahead === undefined ? {} : { ahead }),
  }
}

export function pauseSentence(queue: string, pause: QueuePause | undefined): string {
  if (pause === undefined) return `queue ${queue} is paused`
  return `queue ${queue} is paused since ${new Date(pause.atMs).toISOString()}: ${pause.reason}`
}

export function rateSentence(queue: string, inMs: number): string {
  return `queue ${queue} has used up its rate: the next task starts in ${shownMs(inMs)}`
}

/** Rounded up, to two units at most. */
export function shownMs(ms: number): string {
  if (ms < SECOND_MS) return `${Math.ceil(ms)} ms`
  if (ms < 2 * MINUTE_MS) return `${Math.ceil(ms / SECOND_MS)} s`
  const minutes = Math.ceil(ms / MINUTE_MS)
  if (minutes < 60) return `${minutes} min`
  if (minutes < 2 * 24 * 60) return twoUnits(minutes, 60, ['h', 'min'])
  return twoUnits(Math.ceil(minutes / 60), 24, ['d', 'h'])
}

function twoUnits(count: number, per: number, [large, small]: readonly [string, string]): string {
  const rest = count % per
  return `${Math.floor(count / per)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`
}

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
