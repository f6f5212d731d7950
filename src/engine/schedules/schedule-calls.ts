/** The calls of clients about schedules: every answer waits for the commit of what it says. */

import { decideTrigger } from '../../core/schedule/schedule-decision.ts'
import {
  changedSpec,
  createdState,
  pausedState,
  respecifiedState,
  resumedState,
  withBackfill,
} from '../../core/schedule/schedule-state.ts'
import { currentCall, type TrackedCall } from '../../platform/call-context.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type ExecutionStatus, isClosed } from '../../protocol/execution-status.ts'
import { noSchedule } from '../../protocol/missing.ts'
import type {
  ScheduleChanges,
  ScheduleDescription,
  ScheduleListPage,
  SchedulePort,
  ScheduleRun,
  ScheduleSpec,
  ScheduleSummary,
  ScheduleTarget,
  TriggerReply,
} from '../../protocol/schedule-port.ts'
import { shownReads } from '../../store/contract/shown-reads.ts'
import type { Engine } from '../engine.ts'
import { type StoredSchedule, storedSchedule } from './schedule-desk.ts'

const LIST_DEFAULT = 100
const LIST_LIMIT = 1000
const NEXT_TIMES = 10
/** Backfills of one schedule that are not done yet. */
const BACKFILLS_MAX = 100

export class ScheduleCalls implements SchedulePort {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async create(...[target, spec, options]: Parameters<SchedulePort['create']>): Promise<void> {
    this.#engine.assertIntake()
    await this.#engine.schedules.change(
      target,
      (known) => {
        const nowMs = this.#engine.clock.nowMs()
        if (known !== undefined && options.onConflict === 'update')
          return this.#respecified(known, spec, nowMs)
        if (known !== undefined)
          throw new PerdureError('SCHEDULE_EXISTS', `there is a schedule ${target.id} already`)
        const { namespace, id } = target
        const times = this.#engine.schedules.timesOf({ key: target, spec })
        return { key: { namespace, id }, spec, state: createdState(times, nowMs, options.paused) }
      },
      this.#call(),
    )
  }

  async update(target: ScheduleTarget, changes: ScheduleChanges): Promise<void> {
    await this.#change(target, (known, nowMs) =>
      this.#respecified(known, changedSpec(known.spec, changes), nowMs),
    )
  }

  async pause(target: ScheduleTarget, reason: string): Promise<void> {
    await this.#change(target, (known, nowMs) => ({
      ...known,
      state: pausedState(known.state, { reason, times: this.#engine.schedules.timesOf(known) }, nowMs),
    }))
  }

  async resume(target: ScheduleTarget): Promise<void> {
    await this.#change(target, (known, nowMs) =>
      known.state.paused === undefined
        ? known
        : { ...known, state: resumedState(known.state, this.#engine.schedules.timesOf(known), nowMs) },
    )
  }

  async trigger(...[target, options]: Parameters<SchedulePort['trigger']>): Promise<TriggerReply> {
    this.#engine.assertIntake()
    const decision = await this.#engine.schedules.decide(
      target,
      (moment) => {
        const { spec, state, nowMs } = moment
        const workflowId = `${spec.start.idPrefix}-trigger-${options.requestId}`
        // This very call was made before, and only its answer was lost.
        const isSame = (run: ScheduleRun): boolean => run.workflowId === workflowId
        const earlier =
          state.buffered !== undefined && isSame(state.buffered)
            ? ('buffered' as const)
            : state.recent.some(isSame)
              ? ('started' as const)
              : undefined
        if (earlier !== undefined)
          return { workflowId, outcome: earlier, state, starts: [], cancels: [], terminates: [] }
        const run = { workflowId, timeMs: nowMs, cause: 'trigger' } as const
        return { workflowId, ...decideTrigger(moment, run, options.overlap ?? spec.overlap) }
      },
      this.#call(),
    )
    if (decision === undefined) throw noSchedule(target)
    return { outcome: decision.outcome, workflowId: decision.workflowId }
  }

  async backfill(...[target, range]: Parameters<SchedulePort['backfill']>): Promise<void> {
    this.#engine.assertIntake()
    await this.#change(target, (known, nowMs) => {
      // Its runs would start at once, before their times.
      if (range.toMs > nowMs)
        throw new PerdureError(
          'ARGUMENT_INVALID',
          `schedules.backfill(): to is ${new Date(range.toMs).toISOString()}, which is in the future; no run starts before its time`,
        )
      if (known.state.backfills.length >= BACKFILLS_MAX)
        throw new PerdureError(
          'OVERLOADED',
          `schedule ${target.id} has ${BACKFILLS_MAX} backfills that are not done yet`,
        )
      return { ...known, state: withBackfill(known.state, { askedMs: nowMs, ...range }) }
    })
  }

  async describe(target: ScheduleTarget): Promise<ScheduleDescription> {
    this.#engine.assertOpen()
    const { store } = this.#engine.options
    const [row] = await store.schedules([target])
    if (row === undefined) throw noSchedule(target)
    const schedule = storedSchedule(row)
    const { state } = schedule
    const runs = [...state.running, ...state.recent.map(({ workflowId }) => workflowId)]
    const statuses = await this.#statuses(target.namespace, runs)
    return {
      ...summaryOf(schedule),
      nextTimesMs: this.#nextTimes(schedule),
      recentRuns: state.recent.map((run, i) => ({
        ...run,
        status: statuses[state.running.length + i] ?? 'deleted',
      })),
      running: state.running.filter((_, i) => {
        const status = statuses[i]
        return status !== undefined && !isClosed(status)
      }),
      ...(state.buffered === undefined ? {} : { buffered: state.buffered }),
      backfills: state.backfills.map(({ fromMs, toMs }) => ({ fromMs, toMs })),
    }
  }

  async list(...[query]: Parameters<SchedulePort['list']>): Promise<ScheduleListPage> {
    this.#engine.assertOpen()
    const { namespace, cursor } = query
    const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_LIMIT)
    const rows = await shownReads(this.#engine.options.store).listSchedules({
      namespace,
      limit: limit + 1,
      ...(cursor === undefined ? {} : { after: { namespace, id: cursor } }),
    })
    const schedules = rows.slice(0, limit).map((row) => summaryOf(storedSchedule(row)))
    const last = schedules.at(-1)
    return rows.length > limit && last !== undefined ? { schedules, cursor: last.id } : { schedules }
  }

  async delete(target: ScheduleTarget): Promise<void> {
    this.#engine.assertOpen()
    await this.#engine.schedules.change(
      target,
      (known) => {
        if (known === undefined) throw noSchedule(target)
        return undefined
      },
      this.#call(),
    )
  }

  async #change(
    target: ScheduleTarget,
    change: (known: StoredSchedule, nowMs: number) => StoredSchedule,
  ): Promise<void> {
    this.#engine.assertOpen()
    await this.#engine.schedules.change(
      target,
      (known) => {
        if (known === undefined) throw noSchedule(target)
        return change(known, this.#engine.clock.nowMs())
      },
      this.#call(),
    )
  }

  /** That this belongs to, if calls are recorded. */
  #call(): TrackedCall | undefined {
    return this.#engine.audit === undefined ? undefined : currentCall()
  }

  #respecified(known: StoredSchedule, spec: ScheduleSpec, nowMs: number): StoredSchedule {
    const { schedules } = this.#engine
    const times = schedules.timesOf({ key: known.key, spec })
    const timesBefore = schedules.timesOf(known)
    const change = { before: known.spec, after: spec, timesBefore, times }
    const state = respecifiedState(known.state, change, nowMs)
    return { key: known.key, spec, state }
  }

  #nextTimes(schedule: StoredSchedule): number[] {
    const { paused, nextMs } = schedule.state
    const times = this.#engine.schedules.timesOf(schedule)
    const found: number[] = []
    let next = paused === undefined ? nextMs : times.after(this.#engine.clock.nowMs())
    while (next !== undefined && found.length < NEXT_TIMES) {
      found.push(next)
      next = times.after(next)
    }
    return found
  }

  /** What the store says, which is durable. */
  async #statuses(
    namespace: string,
    workflowIds: readonly string[],
  ): Promise<readonly (ExecutionStatus | undefined)[]> {
    const { store } = this.#engine.options
    const keys = workflowIds.map((workflowId) => ({ namespace, workflowId }))
    const runIds = await store.currents(keys)
    const known = [...new Set(runIds.flatMap((runId) => runId ?? []))]
    const rows = await store.executions(known)
    const byRun = new Map(rows.flatMap((row) => (row === undefined ? [] : [[row.runId, row.status]])))
    return runIds.map((runId) => (runId === undefined ? undefined : byRun.get(runId)))
  }
}

function summaryOf({ key, spec, state }: StoredSchedule): ScheduleSummary {
  const { createdMs, paused, nextMs, counts, recent } = state
  const [lastRun] = recent
  return {
    id: key.id,
    spec,
    createdMs,
    counts,
    ...(paused === undefined ? {} : { paused }),
    ...(nextMs === undefined ? {} : { nextMs }),
    ...(lastRun === undefined ? {} : { lastRun }),
  }
}
