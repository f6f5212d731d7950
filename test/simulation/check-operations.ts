/** Steps and timers: what was recorded, and what happened outside. */
import type { Event } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { Facts, Outage, StepCall } from './facts.ts'
import { type Journal, type Journals, operationUpTo } from './journals.ts'
import type { Replayed } from './replay-journals.ts'

const COMPLETIONS: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'step-completed',
  'step-failed',
  'timer-fired',
  'child-completed',
  'child-failed',
  'task-completed',
  'task-failed',
])

type Report = (violation: string) => void

/** I3, and attempts in order. */
export function checkOperations({ runId, events }: Journal, report: Report): void {
  const completed = new Map<number, string>()
  const attempts = new Map<number, number>()
  const updates = new Map<string, boolean>()
  for (const [i, event] of events.entries()) {
    const place = `${runId} (event ${i + 1})`
    if (event.type === 'execution-reopened' && event.op !== undefined) {
      completed.delete(event.op)
      attempts.delete(event.op)
    }
    if ('op' in event && event.op !== undefined && COMPLETIONS.has(event.type)) {
      const before = completed.get(event.op)
      if (before !== undefined) report(`I3: ${place} completes operation ${event.op} again, after ${before}`)
      completed.set(event.op, event.type)
    }
    if (
      event.type === 'step-attempt-failed' ||
      event.type === 'step-completed' ||
      event.type === 'step-failed'
    ) {
      const attempt = event.attempt ?? 1
      const before = attempts.get(event.op) ?? 0
      if (attempt !== before + 1)
        report(`${place} records attempt ${attempt} of operation ${event.op} after attempt ${before}`)
      attempts.set(event.op, attempt)
    }
    if (event.type === 'update-accepted') {
      if (updates.has(event.updateId)) report(`I3: ${place} accepts update ${event.updateId} again`)
      updates.set(event.updateId, false)
    }
    if (event.type === 'update-completed') {
      if (updates.get(event.updateId) !== false) report(`I3: ${place} answers ${event.updateId} out of order`)
      updates.set(event.updateId, true)
    }
  }
}

/** I6. */
export function checkTimers(journal: Journal, { outages, skewMs, latenessMs }: Facts, report: Report): void {
  const { runId, events, dump } = journal
  const due = new Map<number, number>()
  const first = events[0]
  let aliveSince = 0
  let reopenedAt = 0
  for (const [i, event] of events.entries()) {
    const place = `${runId} (event ${i + 1}, ${event.type})`
    if (event.type === 'timer-started') due.set(event.op, event.dueAt)
    if (event.type === 'execution-reopened' || event.type === 'execution-resumed') aliveSince = event.at
    if (event.type === 'execution-reopened') reopenedAt = event.at
    let dueAt: number | undefined
    if (event.type === 'timer-fired') {
      dueAt = due.get(event.op)
      if (dueAt === undefined) report(`I6: ${place} fires a timer that was never armed`)
    }
    if (event.type === 'execution-timed-out' && first?.type === 'execution-started')
      dueAt = reopenedAt === 0 ? first.deadlineAt : reopenedAt + event.timeoutMs
    if (dueAt === undefined) continue
    if (event.at < dueAt) report(`I6: ${place} is ${dueAt - event.at} ms early`)
    const from = Math.max(dueAt, aliveSince)
    const late = event.at - from - awayMs(outages, from - skewMs, event.at + skewMs) - 2 * skewMs
    if (late > latenessMs) report(`I6: ${place} is ${event.at - from} ms late, ${late} without a reason`)
  }
  if (first?.type !== 'execution-started' || first.notBefore === undefined || dump.row === undefined) return
  const early = events.find((event) => event.type === 'step-completed' || event.type === 'timer-started')
  if (early !== undefined && early.at < first.notBefore) report(`I6: ${runId} runs before its delay is over`)
}

/** How long something was away in this time; what overlaps counts more than once, which is lenient. */
function awayMs(outages: readonly Outage[], fromMs: number, toMs: number): number {
  let total = 0
  for (const outage of outages) {
    // A read that was stalled just before holds up what comes after it.
    if (outage.toMs >= fromMs && outage.fromMs <= toMs) total += outage.toMs - outage.fromMs
  }
  return total
}

/** What happened outside: only after the commit of what it derives from, and never again once it is recorded. */
/** I2: the result of a task is what a call of it has answered. */
export function checkTaskResults({ runId, events }: Journal, { taskMarkers }: Facts, report: Report): void {
  for (const event of events) {
    if (event.type !== 'task-completed') continue
    const text = JSON.stringify(event.result)
    const [marker = ''] = /m\d+/.exec(text) ?? []
    if (!taskMarkers.has(`${runId}/${event.op} ${marker}`))
      report(`I2: task ${runId}/${event.op} has a result that no call gave: ${text}`)
  }
}

export function checkLedger(
  ledger: readonly StepCall[],
  { byRun }: Journals,
  replayed: ReadonlyMap<RunId, Replayed>,
  report: Report,
): void {
  const markers = new Map<string, Set<string>>()
  for (const call of ledger) {
    const { runId, op, attempt, durableSeq, maxAttempts, marker, isOutdated } = call
    const place = `${runId}/${op} attempt ${attempt}`
    const journal = byRun.get(runId)
    if (journal === undefined || durableSeq === 0) {
      report(`step ${place} ran before its execution was durable`)
      continue
    }
    const cause = replayed.get(runId)?.issuedAfter.get(op)
    if (cause === undefined) report(`step ${place} ran, and its code never asks for it in replay`)
    else if (cause > durableSeq)
      report(`step ${place} ran after event ${durableSeq} was durable, and derives from event ${cause}`)
    const { failedAttempts, isCompleted } = operationUpTo(journal, op, durableSeq)
    if (isCompleted && !isOutdated) report(`step ${place} ran again after its completion was durable`)
    if (attempt !== failedAttempts + 1 && !isOutdated)
      report(`step ${place} ran, but ${failedAttempts} failed attempts were durable`)
    if (attempt > maxAttempts) report(`step ${place} ran, but has at most ${maxAttempts}`)
    if (marker === undefined) continue
    const known = markers.get(`${runId}/${op}`)
    if (known === undefined) markers.set(`${runId}/${op}`, new Set([marker]))
    else known.add(marker)
  }
  for (const { runId, events } of byRun.values()) {
    for (const event of events) {
      if (event.type !== 'step-completed') continue
      const text = JSON.stringify(event.result)
      const isKnown = [...(markers.get(`${runId}/${event.op}`) ?? [])].some((marker) =>
        text.includes(`"${marker}"`),
      )
      if (!isKnown) report(`I2: ${runId}/${event.op} has a result that no call gave: ${text}`)
    }
  }
}
