/**
 * Which runs of a schedule start now.
 *
 * 1. Each time is decided once, in order: it starts, is buffered, skipped, or missed. The state says up to where.
 * 2. What one decision starts may be stopped by a later time of the same decision: then it never starts, and counts as
 *    skipped. So after an outage `cancel-other` and `terminate-other` start the last run only.
 * 3. A decision is bounded: what is left over is due at once.
 * 4. A time whose run is there already has had it: it starts nothing, and is counted nowhere.
 */
import type { OverlapPolicy, ScheduleRun, ScheduleSpec } from '../../protocol/schedule-port.ts'
import { type Backfill, type ScheduleState, withNext } from './schedule-state.ts'
import type { ScheduleTimesOf } from './schedule-times.ts'

export interface ScheduleMoment {
  readonly nowMs: number
  readonly spec: ScheduleSpec
  readonly state: ScheduleState
  readonly times: ScheduleTimesOf
  /** Whether a run of `state.running`, or one that is there already, is open. */
  readonly isOpen: (workflowId: string) => boolean
  /** Whether a run with this id is there already: of a time that came before, as where two backfills meet. */
  readonly hasRun: (workflowId: string) => boolean
  readonly workflowIdOf: (timeMs: number) => string
}

export interface ScheduleDecision {
  readonly state: ScheduleState
  readonly starts: readonly ScheduleRun[]
  /** Workflow ids of open runs. */
  readonly cancels: readonly string[]
  readonly terminates: readonly string[]
}

/** Runs that one decision starts, at most; and times that it looks at. */
const STARTS_MAX = 100
const TIMES_MAX = 1000
/** Missed times that are counted one by one. */
const MISSED_MAX = 1000
/** Open runs that a schedule knows, the newest. */
export const RUNNING_MAX = 20
export const RECENT_MAX = 10

/** What is due at this moment. */
export function decideDue(moment: ScheduleMoment): ScheduleDecision {
  const pass = new Pass(moment)
  pass.takeBuffered()
  pass.backfill()
  if (moment.state.paused === undefined) pass.takeDue()
  return pass.decision()
}

/** A run that somebody asks for, whether the schedule is paused or not. */
export function decideTrigger(
  moment: ScheduleMoment,
  run: ScheduleRun,
  overlap: OverlapPolicy,
): ScheduleDecision & { readonly outcome: 'started' | 'buffered' | 'skipped' } {
  const pass = new Pass(moment)
  pass.takeBuffered()
  const outcome = pass.take(run, overlap)
  return { ...pass.decision(), outcome }
}

class Pass {
  readonly #moment: ScheduleMoment
  #running: string[]
  #starts: ScheduleRun[] = []
  readonly #cancels = new Set<string>()
  readonly #terminates = new Set<string>()
  #buffered: ScheduleRun | undefined
  #nextMs: number | undefined
  #backfills: readonly Backfill[]
  #skipped = 0
  #missed = 0
  #looked = 0

  constructor(moment: ScheduleMoment) {
    const { state, isOpen } = moment
    this.#moment = moment
    this.#running = state.running.filter(isOpen)
    this.#buffered = state.buffered
    this.#nextMs = state.nextMs
    this.#backfills = state.backfills
  }

  takeBuffered(): void {
    const run = this.#buffered
    if (run === undefined || this.#running.length > 0) return
    this.#buffered = undefined
    if (!this.#isThere(run)) this.#start(run)
  }

  backfill(): void {
    for (let first = this.#backfills[0]; first !== undefined; first = this.#backfills[0]) {
      const { overlap, toMs } = first
      let timeMs = this.#moment.times.after(first.fromMs - 1)
      for (; timeMs !== undefined && timeMs <= toMs; timeMs = this.#moment.times.after(timeMs)) {
        if (this.#isFull()) {
          this.#backfills = [{ ...first, fromMs: timeMs }, ...this.#backfills.slice(1)]
          return
        }
        this.take({ workflowId: this.#moment.workflowIdOf(timeMs), timeMs, cause: 'backfill' }, overlap)
      }
      this.#backfills = this.#backfills.slice(1)
    }
  }

  takeDue(): void {
    const { nowMs, spec, times, workflowIdOf } = this.#moment
    this.#miss()
    for (let timeMs = this.#nextMs; timeMs !== undefined && times.startMs(timeMs) <= nowMs; ) {
      if (this.#isFull()) return
      this.take({ workflowId: workflowIdOf(timeMs), timeMs, cause: 'schedule' }, spec.overlap)
      timeMs = times.after(timeMs)
      this.#nextMs = timeMs
    }
  }

  take(run: ScheduleRun, overlap: OverlapPolicy): 'started' | 'buffered' | 'skipped' {
    if (this.#running.includes(run.workflowId) || this.#isThere(run)) return 'started'
    if (this.#buffered?.workflowId === run.workflowId) return 'buffered'
    if (this.#running.length === 0 || overlap === 'allow') return this.#start(run)
    switch (overlap) {
      case 'skip':
        return this.#skip(run)
      case 'buffer-one':
        return this.#buffered === undefined ? this.#buffer(run) : this.#skip(run)
      case 'cancel-other':
        this.#dropStarts()
        if (this.#running.length === 0) return this.#start(run)
        for (const workflowId of this.#running) this.#cancels.add(workflowId)
        return this.#buffer(run)
      case 'terminate-other':
        this.#dropStarts()
        for (const workflowId of this.#running) this.#terminates.add(workflowId)
        this.#running = []
        return this.#start(run)
    }
  }

  decision(): ScheduleDecision {
    const { state, nowMs } = this.#moment
    const { counts, buffered: _, ...rest } = state
    const started = this.#starts.map((run) => ({ ...run, startedMs: nowMs }))
    const next: ScheduleState = {
      ...rest,
      running: this.#running.slice(-RUNNING_MAX),
      recent: [...started.toReversed(), ...state.recent].slice(0, RECENT_MAX),
      backfills: this.#backfills,
      counts: {
        started: counts.started + started.length,
        skipped: counts.skipped + this.#skipped,
        missed: counts.missed + this.#missed,
      },
      ...(this.#buffered === undefined ? {} : { buffered: this.#buffered }),
    }
    return {
      state: withNext(next, this.#nextMs),
      starts: this.#starts,
      cancels: [...this.#cancels].filter((workflowId) => !this.#terminates.has(workflowId)),
      terminates: [...this.#terminates],
    }
  }

  /** Times that are past for too long. */
  #miss(): void {
    const { nowMs, spec, times } = this.#moment
    const oldestMs = nowMs - spec.catchUpMs - spec.jitterMs
    let timeMs = this.#nextMs
    for (let count = 0; timeMs !== undefined && timeMs < oldestMs; count++) {
      if (count < MISSED_MAX) this.#missed += 1
      timeMs = count < MISSED_MAX ? times.after(timeMs) : times.after(oldestMs - 1)
    }
    this.#nextMs = timeMs
  }

  #isFull(): boolean {
    this.#looked += 1
    return this.#looked > TIMES_MAX || this.#starts.length >= STARTS_MAX
  }

  /** It is passed over. If it is open, others wait for it; if it has ended, it holds nobody up. */
  #isThere({ workflowId }: ScheduleRun): boolean {
    const { hasRun, isOpen } = this.#moment
    if (!hasRun(workflowId)) return false
    if (isOpen(workflowId)) this.#running.push(workflowId)
    return true
  }

  #start(run: ScheduleRun): 'started' {
    this.#running.push(run.workflowId)
    this.#starts.push(run)
    return 'started'
  }

  /** Whoever triggers is told: only times are counted, so that a call that is repeated changes nothing. */
  #skip(run: ScheduleRun): 'skipped' {
    if (run.cause !== 'trigger') this.#skipped += 1
    return 'skipped'
  }

  #buffer(run: ScheduleRun): 'buffered' {
    if (this.#buffered !== undefined) this.#skipped += 1
    this.#buffered = run
    return 'buffered'
  }

  #dropStarts(): void {
    const begun = new Set(this.#starts.map(({ workflowId }) => workflowId))
    this.#skipped += this.#starts.length
    this.#starts = []
    this.#running = this.#running.filter((workflowId) => !begun.has(workflowId))
  }
}
