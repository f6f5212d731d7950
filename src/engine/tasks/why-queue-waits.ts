/** "Why is this queue waiting?": what holds up all of it, and what holds up parts of it. */
import type { KeyHold } from '../../core/queue/queue-limits.ts'
import type { HeldUpTasks, QueueExplanation } from '../../protocol/queue-explanation.ts'
import type { QueueLimits } from '../../protocol/queue-settings.ts'
import type { ClassPlaces } from '../workers/queue-crew.ts'
import { parseClassId } from '../workers/task-class.ts'
import type { LiveQueue } from './live-queue.ts'
import { lackText, placesText } from './places-text.ts'
import { pauseSentence, rateSentence, shownMs } from './why-waiting.ts'

const HELD_MAX = 10

/** @param live undefined: nothing has ever waited in it since the engine started */
export function whyQueueWaits(
  live: LiveQueue | undefined,
  { name, limits, nowMs }: { readonly name: string; readonly limits: QueueLimits; readonly nowMs: number },
): QueueExplanation {
  const waiting = live?.queue.waiting ?? 0
  const running = live?.queue.limits.running ?? 0
  if (live === undefined || waiting === 0)
    return { reason: 'empty', sentence: `nothing waits in queue ${name}`, waiting, running, limits, held: [] }
  const { queue } = live
  const parts = partsOf(live)
  const held = parts.map(({ part }) => part).slice(0, HELD_MAX)
  const moving = queue.astray === 0 ? {} : { moving: queue.astray }
  const counts = { waiting, running, limits, ...moving, held }
  const whole = holdOf(live, name, nowMs) ?? partHold(live, parts, nowMs)
  if (whole !== undefined) return { ...whole, ...counts }
  const line = lineText(waiting, name)
  if (queue.astray > 0) {
    const moved = `${queue.astray.toLocaleString('en')} of them are being moved to where its settings now put them`
    return { reason: 'moving', sentence: `${line}; ${moved}`, ...counts }
  }
  return { reason: 'starting', sentence: `${line}, and nothing holds them up`, ...counts }
}

function lineText(waiting: number, queue: string): string {
  return `${waiting === 1 ? '1 task waits' : `${waiting.toLocaleString('en')} tasks wait`} in queue ${queue}`
}

type Hold = Pick<QueueExplanation, 'reason' | 'sentence' | 'limit' | 'untilMs' | 'pause' | 'ejected'>

/** What holds up all that waits. */
function holdOf({ queue, pause }: LiveQueue, name: string, nowMs: number): Hold | undefined {
  const { isPaused, limits } = queue
  if (isPaused)
    return {
      reason: 'paused',
      sentence: pauseSentence(name, pause),
      ...(pause === undefined ? {} : { pause }),
    }
  const start = limits.mayStart(nowMs)
  if (start === false) {
    const limit = limits.limits.concurrency ?? 0
    return { reason: 'queue-limit', sentence: `queue ${name} is at its limit of ${limit} at once`, limit }
  }
  if (start === true) return undefined
  return { reason: 'queue-rate', sentence: rateSentence(name, start - nowMs), untilMs: start }
}

interface HeldPart {
  readonly part: HeldUpTasks
  readonly classId: string
}

/** What is held up apart from the rest, the largest first. */
function partsOf({ queue, crew }: LiveQueue): readonly HeldPart[] {
  const parts = new Map<string, HeldPart>()
  const busy = new Map<string, boolean>()
  const isBusy = (classId: string): boolean => {
    const known = busy.get(classId) ?? crew.placesOf(classId).free === 0
    busy.set(classId, known)
    return known
  }
  for (const { name, size } of queue.backlog.lanes()) {
    const { classId, limitKey } = name
    const isSupported = crew.isSupported(classId)
    const hold = isSupported ? queue.limits.holdOf(limitKey) : undefined
    if (hold === undefined && isSupported && !isBusy(classId)) continue
    const task = parseClassId(classId).name
    const reason = hold === undefined ? (isSupported ? 'workers-busy' : 'no-code') : keyReasonOf(hold)
    const text = hold === undefined ? `${reason} ${classId}` : `${reason} ${limitKey}`
    const part: HeldUpTasks = {
      reason,
      name: hold === undefined ? task : limitKey,
      waiting: size + (parts.get(text)?.part.waiting ?? 0),
      ...(hold?.untilMs === undefined ? {} : { untilMs: hold.untilMs }),
    }
    parts.set(text, { part, classId })
  }
  return [...parts.values()].sort((a, b) => b.part.waiting - a.part.waiting)
}

const keyReasonOf = ({ kind }: KeyHold): 'key-rate' | 'key-limit' =>
  kind === 'rate' ? 'key-rate' : 'key-limit'

/** If all that waits is held up in parts, what holds up the largest; but busy workers first: those let something start soon. */
function partHold(
  { queue, crew, key }: LiveQueue,
  parts: readonly HeldPart[],
  nowMs: number,
): Hold | undefined {
  const { queue: name } = key
  // Of those that are being moved nobody knows yet.
  if (queue.astray > 0 || parts.reduce((sum, { part }) => sum + part.waiting, 0) < queue.waiting)
    return undefined
  const busy = parts.find(({ part }) => part.reason === 'workers-busy')
  if (busy !== undefined) {
    const places = crew.placesOf(busy.classId)
    const { ejected, running } = places
    return {
      reason: 'workers-busy',
      sentence: `${lineText(queue.waiting, name)}: ${busyText(busy, places, parts)}`,
      limit: running,
      ...(ejected.length === 0 ? {} : { ejected }),
    }
  }
  const [first, ...rest] = parts
  if (first === undefined) return undefined
  const more =
    rest.length === 0 ? '' : `, and ${rest.length} more such ${rest.length === 1 ? 'part' : 'parts'}`
  const { reason } = first.part
  return { reason, sentence: `${partSentence(first, crew, { name, nowMs })}${more}`, ...untilOf(parts) }
}

/** Who can run the largest part that waits for workers, and of which task that is if there are several. */
function busyText({ classId, part }: HeldPart, places: ClassPlaces, parts: readonly HeldPart[]): string {
  const text = placesText(places, parseClassId(classId))
  return parts.length === 1 ? text : `for task ${part.name}, ${text}`
}

function partSentence(
  { part, classId }: HeldPart,
  crew: LiveQueue['crew'],
  { name: queue, nowMs }: { readonly name: string; readonly nowMs: number },
): string {
  const { reason, name, untilMs = nowMs } = part
  if (reason === 'no-code') return `queue ${queue}: ${lackText(parseClassId(classId), crew.hasCode(name))}`
  if (reason === 'key-limit') return `key ${name} of queue ${queue} is at its limit`
  return `key ${name} of queue ${queue} has used up its rate for ${shownMs(Math.max(0, untilMs - nowMs))}`
}

function untilOf(parts: readonly HeldPart[]): { readonly untilMs?: number } {
  const times = parts.flatMap(({ part: { untilMs } }) => (untilMs === undefined ? [] : [untilMs]))
  return times.length === 0 ? {} : { untilMs: Math.min(...times) }
}
