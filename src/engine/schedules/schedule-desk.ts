/**
 * The schedules of the engine: what is due is decided in `core/schedule`, and carried out here.
 *
 * 1. All that a decision leads to is one commit: the runs that it starts, those that it cancels or terminates, and the row
 *    of the schedule, which then says that the time is decided. So a crash leaves all of it or nothing, and no time has two
 *    runs. The workflow id of a run follows from its time, which holds also where the same time comes again, as in a backfill.
 * 2. A schedule is read, decided and written by one call at a time, its commit included: what was read is the newest.
 * 3. Whoever waits for the end of an execution is registered before it is looked whether that has ended.
 */
import {
  decideDue,
  type ScheduleDecision,
  type ScheduleMoment,
} from '../../core/schedule/schedule-decision.ts'
import { dueMs, pausedState, type ScheduleState } from '../../core/schedule/schedule-state.ts'
import { type ScheduleTimesOf, timesOf } from '../../core/schedule/schedule-times.ts'
import type { TrackedCall } from '../../platform/call-context.ts'
import type { Clock } from '../../platform/clock.ts'
import { nextCronTime } from '../../platform/cron-times.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { keyText, type RunId, scheduleShardOf, type WorkflowKey } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/message.ts'
import type { ScheduleRun, ScheduleSpec } from '../../protocol/schedule-port.ts'
import type { ScheduleKey, ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { Store } from '../../store/contract/store.ts'
import type { AuditDesk } from '../audit/audit-desk.ts'
import type { Ownership } from '../cluster/ownership.ts'
import { moved } from '../cluster/ownership.ts'
import type { Committer } from '../committer.ts'
import type { LiveExecution } from '../live-execution.ts'
import type { LiveTable } from '../live-table.ts'
import type { TimerMetrics } from '../metrics/timer-metrics.ts'
import { TimerWindow } from '../timer-window.ts'
import type { Transitions } from '../transitions.ts'
import { EndWatch } from './end-watch.ts'
import { openRunsOf } from './open-runs.ts'
import { scheduleKeyOf, scheduleRunOf } from './schedule-run.ts'
import { dueScheduleTimers } from './schedule-timers.ts'

export interface ScheduleDeskOptions {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly table: LiveTable
  readonly committer: Committer
  readonly transitions: Transitions
  readonly ownership: Ownership
  /** To runs of other nodes. */
  readonly mailbox: { post(shard: number, message: Message, run: RunId): void }
  readonly newRunId: () => RunId
  /** Asked each time: it is made last. */
  readonly audit: () => AuditDesk | undefined
  readonly timerLookaheadMs: number | undefined
  readonly onError: (error: unknown) => void
  /** Nothing is started any more. */
  readonly isDraining: () => boolean
  readonly metrics: TimerMetrics | undefined
}

/** A schedule as the store has it. */
export interface StoredSchedule {
  readonly key: ScheduleKey
  readonly spec: ScheduleSpec
  readonly state: ScheduleState
}

const RESUME_PAGE = 500
const OVERLOAD_PAUSE_MS = 20
/** An end on another node is looked for so often. */
const POLL_MS = 500
/** A start that was sent to another node for so long, and is not there, is not on its way any more. */
const ON_ITS_WAY_MS = 60_000
/** A schedule has one timer. */
const TIMER = 0

export class ScheduleDesk {
  readonly #options: ScheduleDeskOptions
  readonly #watch = new EndWatch()
  /** The last call about each schedule that is worked on. */
  #tails = new Map<RunId, Promise<void>>()
  #timers: TimerWindow | undefined
  #generation = 0
  /** Starts that were sent to other nodes, by the text of their key: when, ms. */
  readonly #sent = new Map<string, number>()
  /** Schedules that wait for an end on another node. */
  readonly #polled = new Set<RunId>()

  constructor(options: ScheduleDeskOptions) {
    this.#options = options
  }

  /** No schedule is worked on. */
  get isIdle(): boolean {
    return this.#tails.size === 0
  }

  /** Goes on with what the store has. Without a schedule there it costs one look. */
  async open(): Promise<void> {
    const generation = this.#generation
    const { store } = this.#options
    const [first] = await store.listSchedules({ limit: 1 })
    if (first === undefined || generation !== this.#generation) return
    this.#startTimers()
    for (let after: ScheduleKey | undefined; ; ) {
      const at = after === undefined ? {} : { after }
      const rows = await store.listSchedules({ ...at, waits: true, limit: RESUME_PAGE })
      if (generation !== this.#generation) return
      await Promise.all(rows.map((row) => this.#fire(row)))
      after = rows.at(-1)
      if (after === undefined || rows.length < RESUME_PAGE) return
    }
  }

  /** Schedules of other shards belong to this node from now on. */
  adopt(): void {
    const failed = this.#failedIn(this.#generation)
    this.#timers?.include(dueScheduleTimers(this.#options.store)).catch(failed)
    this.open().catch(failed)
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#timers?.stop()
    this.#timers = undefined
  }

  /** Forgets everything: what is not committed was dropped. `open` reads it again. */
  reset(): void {
    this.#generation += 1
    this.stop()
    this.#tails = new Map()
    this.#watch.clear()
    this.#sent.clear()
    this.#polled.clear()
  }

  /** The end of the execution is durable. */
  ended(execution: LiveExecution): void {
    if (this.#watch.size === 0) return
    for (const run of this.#watch.of(execution.keyText)) {
      const key = scheduleKeyOf(run)
      if (key !== undefined) void this.#fire(key)
    }
  }

  /** The store refuses what it leads to, which would be so each time. */
  refused(key: ScheduleKey, reason: string): void {
    const pause = (schedule: StoredSchedule | undefined): StoredSchedule | undefined =>
      schedule === undefined
        ? undefined
        : {
            ...schedule,
            state: pausedState(
              { ...schedule.state, backfills: [] },
              { reason, times: this.timesOf(schedule) },
              this.#options.clock.nowMs(),
            ),
          }
    this.#options.logger.error('schedule paused: the store refuses what it starts', { ...key, reason })
    this.change(key, pause).catch(this.#failedIn(this.#generation))
  }

  timesOf({ key, spec }: Pick<StoredSchedule, 'key' | 'spec'>): ScheduleTimesOf {
    return timesOf(key.id, spec, nextCronTime)
  }

  /**
   * Resolves when it is durable. `change` gives the schedule as it is to be; undefined: it is gone, or never was.
   *
   * @param call that changes it
   */
  async change(
    key: ScheduleKey,
    change: (schedule: StoredSchedule | undefined) => StoredSchedule | undefined,
    call?: TrackedCall,
  ): Promise<void> {
    await this.#exclusively(key, async (check) => {
      const schedule = await this.#read(key)
      check()
      const next = change(schedule)
      if (next === schedule) return
      if (next !== undefined) this.#put(next)
      else this.#drop(key)
      this.#options.audit()?.changed(call, scheduleRunOf(key))
      await this.#written(key, next)
    })
  }

  /**
   * Decides, and carries it out; resolves when it is durable. Undefined: there is no such schedule.
   *
   * @param call that asks for it
   */
  async decide<D extends ScheduleDecision>(
    key: ScheduleKey,
    decide: (moment: ScheduleMoment) => D,
    call?: TrackedCall,
  ): Promise<D | undefined> {
    return this.#exclusively(key, async (check) => {
      const schedule = await this.#read(key)
      check()
      if (schedule === undefined) return undefined
      // Workflow ids of starts that were found to be there: it is decided again with them.
      const known = new Set<string>()
      for (;;) {
        const decision = await this.#attempt(schedule, { decide, known, call }, check)
        if (decision !== undefined) return decision
        if (this.#options.isDraining()) throw new PerdureError('ENGINE_CLOSED', 'the engine is closed')
        await new Promise<void>((resolve) => this.#options.clock.defer(resolve))
        check()
      }
    })
  }

  /** Undefined: an execution has changed meanwhile, or left memory, or what is to start is there. */
  async #attempt<D extends ScheduleDecision>(
    schedule: StoredSchedule,
    {
      decide,
      known,
      call,
    }: {
      readonly decide: (moment: ScheduleMoment) => D
      readonly known: Set<string>
      readonly call: TrackedCall | undefined
    },
    check: () => void,
  ): Promise<D | undefined> {
    const { key, spec, state } = schedule
    const { table, store, committer, clock, ownership } = this.#options
    const workflowKeyOf = (workflowId: string): WorkflowKey => ({ namespace: key.namespace, workflowId })
    const asked = [...new Set([...state.running, ...known])].map(workflowKeyOf)
    this.#watch.set(scheduleRunOf(key), asked.map(keyText))
    const open = await openRunsOf({ table, store }, asked, (text) => this.#isOnItsWay(text))
    check()
    while (committer.isOverloaded) {
      await new Promise<void>((resolve) => void clock.after(OVERLOAD_PAUSE_MS, resolve))
      check()
    }
    const decision = decide({
      nowMs: clock.nowMs(),
      spec,
      state,
      times: this.timesOf(schedule),
      isOpen: (workflowId) => open.has(keyText(workflowKeyOf(workflowId))),
      hasRun: (workflowId) => known.has(workflowId),
      workflowIdOf: (timeMs) => `${spec.start.idPrefix}-${new Date(timeMs).toISOString()}`,
    })
    const ended = [...decision.cancels, ...decision.terminates]
    const isHere = (workflowId: string): boolean => ownership.ownsRunsOf(workflowKeyOf(workflowId))
    const away = ended.filter((workflowId) => !isHere(workflowId))
    const stopped = await open.load(ended.filter(isHere).map(workflowKeyOf))
    check()
    const wanted = decision.starts.map(({ workflowId }) => workflowKeyOf(workflowId))
    const texts = wanted.map((each) => ({ key: each, text: keyText(each) }))
    const written = await table.withCurrentRuns(texts, (runIdAt) => {
      check()
      if (stopped === undefined || !open.isStillSo()) return undefined
      const there = decision.starts.filter((_, i) => runIdAt(i) !== undefined)
      for (const { workflowId } of there) known.add(workflowId)
      if (there.length > 0) return undefined
      const next = { key, spec, state: decision.state }
      const isSame = JSON.stringify(next.state) === JSON.stringify(state)
      if (isSame && ended.length === 0) return { durable: undefined }
      const { starts, terminates } = decision
      committer.together(() => {
        this.#carryOut(next, { starts, stopped, away, terminates })
        this.#options.audit()?.changed(call, scheduleRunOf(key))
      })
      return { durable: this.#written(key, next) }
    })
    if (written === undefined) return undefined
    const waited = decision.state.buffered === undefined ? [] : decision.state.running
    this.#watch.set(
      scheduleRunOf(key),
      waited.map((workflowId) => keyText(workflowKeyOf(workflowId))),
    )
    if (!waited.every(isHere)) this.#poll(key)
    await written.durable
    return decision
  }

  #carryOut(
    schedule: StoredSchedule,
    runs: {
      readonly starts: readonly ScheduleRun[]
      readonly stopped: readonly LiveExecution[]
      /** Workflow ids of runs of other nodes that are to end. */
      readonly away: readonly string[]
      readonly terminates: readonly string[]
    },
  ): void {
    const { transitions, mailbox, ownership } = this.#options
    const { key } = schedule
    const batch = this.#put(schedule)
    const by = `by schedule ${key.id}, whose next run is due`
    const shard = scheduleShardOf(key, ownership.shards)
    for (const workflowId of runs.away) {
      const to = { namespace: key.namespace, workflowId }
      const how = runs.terminates.includes(workflowId) ? 'terminate' : 'cancel'
      const reason = `${how === 'cancel' ? 'cancelled' : 'terminated'} ${by}`
      mailbox.post(shard, { kind: 'stop-run', to, how, reason }, scheduleRunOf(key))
    }
    for (const execution of runs.stopped) {
      const { runId, key: stopped } = execution.state
      const isTerminated = runs.terminates.includes(stopped.workflowId)
      transitions.apply(execution, {
        type: isTerminated ? 'terminate' : 'cancel',
        reason: `${isTerminated ? 'terminated' : 'cancelled'} ${by}`,
      })
      transitions.finish(execution)
      batch.links.push([scheduleRunOf(key), runId])
    }
    for (const run of runs.starts) {
      const started = this.#startOf(schedule, run)
      const runId = this.#options.newRunId()
      this.#options.metrics?.scheduleRan(key.namespace)
      if (ownership.ownsRunsOf(started.key)) {
        transitions.start(runId, started)
        batch.links.push([scheduleRunOf(key), runId])
        continue
      }
      mailbox.post(shard, { kind: 'start-run', to: started.key, runId, started }, scheduleRunOf(key))
      // Those of long ago are forgotten.
      for (const text of this.#sent.keys()) if (this.#isOnItsWay(text)) break
      this.#sent.set(keyText(started.key), this.#options.clock.nowMs())
    }
  }

  #startOf(
    { key, spec }: StoredSchedule,
    { workflowId, timeMs }: ScheduleRun,
  ): Parameters<Transitions['start']>[1] {
    const { workflow, version, input, timeoutMs, attributes } = spec.start
    return {
      key: { namespace: key.namespace, workflowId },
      workflow,
      version,
      input,
      attributes: { ...attributes, scheduleId: key.id, scheduledTime: new Date(timeMs).toISOString() },
      ...(timeoutMs === undefined ? {} : { timeoutMs, deadlineAt: this.#options.clock.nowMs() + timeoutMs }),
    }
  }

  #isOnItsWay(text: string): boolean {
    const sentMs = this.#sent.get(text)
    if (sentMs === undefined) return false
    if (this.#options.clock.nowMs() - sentMs < ON_ITS_WAY_MS) return true
    this.#sent.delete(text)
    return false
  }

  /** Nobody tells this node of ends on others. */
  #poll(key: ScheduleKey): void {
    const run = scheduleRunOf(key)
    if (this.#polled.has(run)) return
    this.#polled.add(run)
    const generation = this.#generation
    this.#options.clock.after(POLL_MS, () => {
      if (generation !== this.#generation) return
      this.#polled.delete(run)
      void this.#fire(key)
    })
  }

  async #read(key: ScheduleKey): Promise<StoredSchedule | undefined> {
    const [row] = await this.#options.store.schedules([key])
    return row === undefined ? undefined : storedSchedule(row)
  }

  #put({ key, spec, state }: StoredSchedule): Committer['open'] {
    const { committer } = this.#options
    committer.writesFor(scheduleRunOf(key)).putSchedule({
      ...key,
      dueAt: dueMs(state, this.timesOf({ key, spec })),
      waits: state.buffered !== undefined,
      spec: JSON.stringify(spec),
      state: JSON.stringify(state),
    })
    return committer.open
  }

  #drop(key: ScheduleKey): void {
    const run = scheduleRunOf(key)
    this.#options.committer.writesFor(run).dropSchedule(key)
    this.#watch.set(run, [])
    this.#timers?.dropped(run, TIMER)
  }

  /** Resolves when what was put is durable, and its timer is armed. */
  #written(key: ScheduleKey, next: StoredSchedule | undefined): Promise<void> {
    const { committer } = this.#options
    const run = scheduleRunOf(key)
    const dueAt = next === undefined ? null : dueMs(next.state, this.timesOf(next))
    const generation = this.#generation
    return new Promise((resolve, reject) => {
      committer.releaseAfterOpen(run, (dropped) => {
        if (dropped !== undefined) {
          reject(dropped)
          return
        }
        if (generation === this.#generation) {
          this.#startTimers()
          if (dueAt === null) this.#timers?.dropped(run, TIMER)
          else this.#timers?.armed({ runId: run, timer: TIMER, dueAt, shard: -1 })
        }
        resolve()
      })
      committer.touch()
    })
  }

  #startTimers(): void {
    const { store, clock, onError, timerLookaheadMs, isDraining, metrics } = this.#options
    if (this.#timers !== undefined || isDraining()) return
    this.#timers = new TimerWindow({
      clock,
      timers: dueScheduleTimers(store),
      onDue: async (due) => {
        const keys = due.flatMap(({ runId }) => scheduleKeyOf(runId) ?? [])
        await Promise.all(keys.map((key) => this.#fire(key)))
      },
      onError,
      ...(timerLookaheadMs === undefined ? {} : { lookaheadMs: timerLookaheadMs }),
      metrics: metrics && { of: metrics, kind: 'schedule' },
    })
    this.#timers.start()
  }

  /** Never rejects. */
  async #fire(key: ScheduleKey): Promise<void> {
    const { isDraining, ownership } = this.#options
    if (isDraining() || !ownership.isScheduleOpen(key)) return
    await this.decide(key, decideDue).catch(this.#failedIn(this.#generation))
  }

  /** What fails because everything was dropped is done again by `open`. */
  #failedIn(generation: number): (error: unknown) => void {
    return (error) => {
      if (error instanceof PerdureError && error.code === 'SHARD_MOVED') return
      if (generation === this.#generation && !this.#options.isDraining()) this.#options.onError(error)
    }
  }

  /** `check` throws once everything was dropped. */
  #exclusively<T>(key: ScheduleKey, work: (check: () => void) => Promise<T>): Promise<T> {
    const run = scheduleRunOf(key)
    const generation = this.#generation
    const tails = this.#tails
    const check = (): void => {
      if (generation !== this.#generation)
        throw new PerdureError('UNCOMMITTED', `the engine started over while it changed schedule ${key.id}`)
      if (!this.#options.ownership.isScheduleOpen(key)) throw moved(`schedule ${key.id}`)
    }
    const result = (tails.get(run) ?? Promise.resolve()).then(() => {
      check()
      return work(check)
    })
    const tail = result.then(
      () => {},
      // Told to whoever called.
      () => {},
    )
    tails.set(run, tail)
    void tail.then(() => {
      if (tails.get(run) === tail) tails.delete(run)
    })
    return result
  }
}

export function storedSchedule({ namespace, id, spec, state }: ScheduleRow): StoredSchedule {
  return {
    key: { namespace, id },
    spec: JSON.parse(spec) as ScheduleSpec,
    state: JSON.parse(state) as ScheduleState,
  }
}
