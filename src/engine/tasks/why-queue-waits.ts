/** "Why is this queue waiting?": what holds up all of it, and what holds up parts of it. */
import type { HeldUpTasks, QueueExplanation } from '../../protocol/queue-explanation.ts'
import type { QueueLimits } from '../../protocol/queue-settings.ts'
import { parseClassId } from '../workers/task-class.ts'
import type { LiveQueue } from './live-queue.ts'
import { pauseSentence, shownMs } from './why-waiting.ts'

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
  const { queue, crew } = live
  const { held, free } = heldUp(live)
  const moving = queue.astray === 0 ? {} : { moving: queue.astray }
  const counts = { waiting, running, limits, ...moving, held: held.slice(0, HELD_MAX) }
  const whole = holdOf(live, name, nowMs)
  if (whole !== undefined) return { ...whole, ...counts }
  const [first] = held
  if (free === 0 && first !== undefined)
    return { reason: first.reason, sentence: partSentence(held, name, nowMs), ...untilOf(held), ...counts }
  const line = waiting === 1 ? '1 task waits' : `${waiting.toLocaleString('en')} tasks wait`
  const { places } = crew
  if (queue.astray > 0) {
    const moved = `${queue.astray.toLocaleString('en')} of them are being moved to where its settings now put them`
    return { reason: 'moving', sentence: `${line} in queue ${name}; ${moved}`, ...counts }
  }
  if (places.free > 0)
    return { reason: 'moving', sentence: `${line} in queue ${name}, and nothing holds them up`, ...counts }
  const sentence = `${line} in queue ${name}: all ${places.running} places are taken`
  return { reason: 'workers-busy', sentence, limit: places.running, ...counts }
}

type Hold = Pick<QueueExplanation, 'reason' | 'sentence' | 'limit' | 'untilMs' | 'pause'>

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
  const sentence = `queue ${name} has used up its rate: the next task starts in ${shownMs(start - nowMs)}`
  return { reason: 'queue-rate', sentence, untilMs: start }
}

/** What is held up apart from the rest, the largest first, and how many tasks are free to start. */
function heldUp({ queue, crew }: LiveQueue): {
  readonly held: readonly HeldUpTasks[]
  readonly free: number
} {
  const parts = new Map<string, HeldUpTasks>()
  // Of those that are being moved nobody knows yet.
  let free = queue.astray
  for (const { name, size } of queue.backlog.lanes()) {
    const isSupported = crew.isSupported(name.classId)
    const hold = isSupported ? queue.limits.holdOf(name.limitKey) : undefined
    if (hold === undefined && isSupported) {
      free += size
      continue
    }
    const part: HeldUpTasks =
      hold === undefined
        ? { reason: 'no-code', name: parseClassId(name.classId).name, waiting: size }
        : {
            reason: hold.kind === 'rate' ? 'key-rate' : 'key-limit',
            name: name.limitKey,
            waiting: size,
            ...(hold.untilMs === undefined ? {} : { untilMs: hold.untilMs }),
          }
    const text = `${part.reason} ${part.name}`
    parts.set(text, { ...part, waiting: size + (parts.get(text)?.waiting ?? 0) })
  }
  return { held: [...parts.values()].sort((a, b) => b.waiting - a.waiting), free }
}

function partSentence(held: readonly HeldUpTasks[], queue: string, nowMs: number): string {
  const [first, ...rest] = held
  const more =
    rest.length === 0 ? '' : `, and ${rest.length} more such ${rest.length === 1 ? 'part' : 'parts'}`
  if (first?.reason === 'no-code')
    return `no worker here has code for task ${first.name} of queue ${queue}${more}`
  if (first?.reason === 'key-limit') return `key ${first.name} of queue ${queue} is at its limit${more}`
  const inMs = Math.max(0, (first?.untilMs ?? nowMs) - nowMs)
  return `key ${first?.name} of queue ${queue} has used up its rate for ${shownMs(inMs)}${more}`
}

function untilOf(held: readonly HeldUpTasks[]): { readonly untilMs?: number } {
  const times = held.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]))
  return times.length === 0 ? {} : { untilMs: Math.min(...times) }
}
