/** The typed client of schedules, over the untyped `SchedulePort`. */
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { Attributes } from '../../protocol/event.ts'
import type { Limits } from '../../protocol/limits.ts'
import { decodePayload } from '../../protocol/payload.ts'
import type {
  OverlapPolicy,
  ScheduleCounts,
  ScheduleDescription,
  ScheduledStart,
  ScheduleRun,
  ScheduleSummary,
  ScheduleTarget,
  StartedScheduleRun,
  TriggerReply,
} from '../../protocol/schedule-port.ts'
import { checkedOptions, checkedReason } from '../checked-arguments.ts'
import { checkedPayload, type PayloadWarner } from '../checked-payload.ts'
import type { Workflow } from '../definition.ts'
import { checkedWorkflow } from '../known-workflow.ts'
import { repeated } from '../repeated.ts'
import { validate } from '../standard-schema.ts'
import {
  checkedPrefix,
  checkedSettings,
  DEFAULT_CATCH_UP_MS,
  invalid,
  overlapOption,
  pausedReason,
  SCHEDULE_OPTIONS,
  SCHEDULE_UPDATE,
  type ScheduleOptions,
  type ScheduleTimes,
  type ScheduleUpdate,
  timeOf,
  timesFrom,
} from './schedule-options.ts'

export interface ScheduleClientSettings extends PayloadWarner {
  readonly limits: Limits
  readonly namespace: string
  readonly knows: (workflow: string, version: string) => boolean
}

export interface ScheduleRunInfo {
  readonly workflowId: string
  /** The time that it is for. */
  readonly time: Date
  readonly cause: ScheduleRun['cause']
}

export interface StartedScheduleRunInfo extends ScheduleRunInfo {
  readonly startedAt: Date
}

export interface ScheduleInfo {
  readonly id: string
  readonly times:
    | { readonly cron: string; readonly timezone: string }
    | { readonly every: number; readonly offset: number }
  readonly startAt: Date | undefined
  readonly endAt: Date | undefined
  readonly workflow: string
  readonly version: string
  readonly workflowIdPrefix: string
  readonly overlap: OverlapPolicy
  readonly catchUpMs: number
  readonly jitterMs: number
  readonly executionTimeoutMs: number | undefined
  readonly attributes: Attributes
  readonly createdAt: Date
  readonly paused: { readonly reason: string; readonly at: Date } | undefined
  /** The next time that was not decided yet, without jitter. */
  readonly nextTime: Date | undefined
  readonly counts: ScheduleCounts
  readonly lastRun: StartedScheduleRunInfo | undefined
}

export interface ScheduleDetails extends ScheduleInfo {
  readonly input: unknown
  /** The next ten, without jitter, as if it were not paused. */
  readonly nextTimes: readonly Date[]
  /** The last ten, newest first. `deleted`: its execution is no longer in the store. */
  readonly recentRuns: readonly (StartedScheduleRunInfo &
    Pick<ScheduleDescription['recentRuns'][number], 'status'>)[]
  /** Workflow ids of its runs that are open, at most 20, the newest. */
  readonly running: readonly string[]
  /** It starts when those that are open have ended. */
  readonly buffered: ScheduleRunInfo | undefined
  /** Backfills that are not done yet: what is left of them, both ends included. */
  readonly backfills: readonly { readonly from: Date; readonly to: Date }[]
}

/** Schedules of one namespace, addressed by their ids. */
export class ScheduleClient {
  readonly #port: ClientPort
  readonly #settings: ScheduleClientSettings

  constructor(port: ClientPort, settings: ScheduleClientSettings) {
    this.#port = port
    this.#settings = settings
  }

  /**
   * Creates a schedule; resolves when it is durable. Each of its times starts one execution, with a workflow id that ends
   * with the time. Errors: `SCHEDULE_EXISTS`, `ARGUMENT_INVALID`, `WORKFLOW_UNKNOWN`, `INPUT_INVALID`.
   */
  async create<W extends Workflow>(
    id: string,
    times: ScheduleTimes,
    options: ScheduleOptions<W>,
  ): Promise<void> {
    const target = this.#target(id)
    const {
      workflow,
      input,
      paused,
      onConflict = 'fail',
      ...settings
    } = checkedOptions(options, 'schedules.create()', SCHEDULE_OPTIONS) as ScheduleOptions<Workflow>
    if (onConflict !== 'fail' && onConflict !== 'update')
      throw invalid(`onConflict is ${JSON.stringify(onConflict)}, not one of fail, update`)
    const { limits } = this.#settings
    const {
      overlap = 'skip',
      catchUpMs,
      jitterMs,
      idPrefix,
      timeoutMs,
      attributes,
    } = checkedSettings(settings, limits)
    const reason = pausedReason(paused)
    const spec = {
      ...timesFrom(times),
      overlap,
      catchUpMs: catchUpMs ?? DEFAULT_CATCH_UP_MS,
      jitterMs: jitterMs ?? 0,
      start: {
        ...(await this.#workflowOf(workflow, { input })),
        idPrefix: idPrefix ?? checkedPrefix(id, limits),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(attributes === undefined ? {} : { attributes }),
      } as ScheduledStart,
    }
    const how = reason === undefined ? { onConflict } : { onConflict, paused: reason }
    await repeated(() => this.#port.schedules.create(target, spec, how))
  }

  /** Changes what is given. Other times hold from now on; runs that are open stay. */
  async update<W extends Workflow>(id: string, changes: ScheduleUpdate<W>): Promise<void> {
    const target = this.#target(id)
    const given = checkedOptions(changes, 'schedules.update()', SCHEDULE_UPDATE)
    const { times, workflow, input, ...settings } = given
    if (workflow === undefined && input !== undefined)
      throw invalid('schedules.update() has an input without its workflow')
    const { overlap, catchUpMs, jitterMs, idPrefix, timeoutMs, attributes } = checkedSettings(
      settings,
      this.#settings.limits,
    )
    const start = {
      ...(workflow === undefined
        ? {}
        : await this.#workflowOf(workflow, 'input' in given ? { input } : undefined)),
      ...(idPrefix === undefined ? {} : { idPrefix }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(attributes === undefined ? {} : { attributes }),
    }
    const changed = {
      ...(times === undefined ? {} : timesFrom(times)),
      ...(overlap === undefined ? {} : { overlap }),
      ...(catchUpMs === undefined ? {} : { catchUpMs }),
      ...(jitterMs === undefined ? {} : { jitterMs }),
      ...(Object.keys(start).length === 0 ? {} : { start }),
    }
    await repeated(() => this.#port.schedules.update(target, changed))
  }

  /** Its times start nothing until `resume`; runs that are open go on. A buffered run is left out, and counted as skipped. */
  async pause(id: string, reason = 'paused by a client'): Promise<void> {
    const target = this.#target(id)
    const checked = checkedReason(reason)
    await repeated(() => this.#port.schedules.pause(target, checked))
  }

  /** Goes on with the next time after now: those that passed while it was paused have no runs; see `backfill`. */
  async resume(id: string): Promise<void> {
    const target = this.#target(id)
    await repeated(() => this.#port.schedules.resume(target))
  }

  /**
   * A run now, also while it is paused. The overlap policy is that of the schedule, or the one given; the reply says what
   * became of it; of one that is skipped there is no execution.
   */
  async trigger(id: string, options?: { readonly overlap?: OverlapPolicy }): Promise<TriggerReply> {
    const target = this.#target(id)
    const overlap = overlapOption(options, 'schedules.trigger()')
    const requestId = this.#port.newRequestId()
    const how = overlap === undefined ? { requestId } : { requestId, overlap }
    return repeated(() => this.#port.schedules.trigger(target, how))
  }

  /**
   * Runs the times from `from` to `to`, both inclusive, also while it is paused; resolves when that is sure to happen, not
   * when it has. `to` is not in the future. A time whose execution is in the store, open or closed, is not run again. `overlap` is `'allow'` by default.
   */
  async backfill(
    id: string,
    from: Date | number,
    to: Date | number,
    options?: { readonly overlap?: OverlapPolicy },
  ): Promise<void> {
    const target = this.#target(id)
    const range = {
      fromMs: timeOf(from, 'from'),
      toMs: timeOf(to, 'to'),
      overlap: overlapOption(options, 'schedules.backfill()') ?? ('allow' as const),
    }
    if (range.fromMs > range.toMs) throw invalid('schedules.backfill(): from is after to')
    await repeated(() => this.#port.schedules.backfill(target, range))
  }

  async describe(id: string): Promise<ScheduleDetails> {
    const target = this.#target(id)
    return detailsOf(await repeated(() => this.#port.schedules.describe(target)))
  }

  /** In the order of their ids, 100 at a time, or up to 1,000. */
  async list(options?: { readonly limit?: number; readonly cursor?: string }): Promise<{
    readonly schedules: readonly ScheduleInfo[]
    readonly cursor: string | undefined
  }> {
    const { limit, cursor } = checkedOptions(options, 'schedules.list()', { limit: true, cursor: true })
    if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1))
      throw invalid(`schedules.list(): limit is ${limit}, not a whole number of 1 or more`)
    if (cursor !== undefined) checkedName(cursor, 'the cursor')
    const page = await this.#port.schedules.list({
      namespace: this.#settings.namespace,
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    return { schedules: page.schedules.map(infoOf), cursor: page.cursor }
  }

  /** Its executions stay, and those that are open go on. */
  async delete(id: string): Promise<void> {
    const target = this.#target(id)
    await repeated(() => this.#port.schedules.delete(target))
  }

  #target(id: string): ScheduleTarget {
    const { namespace, limits } = this.#settings
    return { namespace, id: checkedName(id, 'the id of a schedule', limits.idBytes) }
  }

  async #workflowOf(
    workflow: Workflow,
    given: { readonly input: unknown } | undefined,
  ): Promise<Partial<ScheduledStart>> {
    const { limits, knows } = this.#settings
    const { name, version, inputSchema } = checkedWorkflow(workflow, knows, 'the workflow of a schedule')
    if (given === undefined) return { workflow: name, version }
    const accepted =
      inputSchema === undefined
        ? given.input
        : await validate(inputSchema, given.input, 'INPUT_INVALID', `the input of workflow ${name}`)
    return { workflow: name, version, input: checkedPayload(accepted, limits, this.#settings) }
  }
}

function infoOf({ id, spec, createdMs, paused, nextMs, counts, lastRun }: ScheduleSummary): ScheduleInfo {
  const { times, start, overlap, catchUpMs, jitterMs, startAtMs, endAtMs } = spec
  return {
    id,
    times:
      times.kind === 'cron'
        ? { cron: times.cron, timezone: times.timezone }
        : { every: times.everyMs, offset: times.offsetMs },
    startAt: dateOf(startAtMs),
    endAt: dateOf(endAtMs),
    workflow: start.workflow,
    version: start.version,
    workflowIdPrefix: start.idPrefix,
    overlap,
    catchUpMs,
    jitterMs,
    executionTimeoutMs: start.timeoutMs,
    attributes: start.attributes ?? {},
    createdAt: new Date(createdMs),
    paused: paused === undefined ? undefined : { reason: paused.reason, at: new Date(paused.atMs) },
    nextTime: dateOf(nextMs),
    counts,
    lastRun: lastRun === undefined ? undefined : startedOf(lastRun),
  }
}

function detailsOf(description: ScheduleDescription): ScheduleDetails {
  const { nextTimesMs, recentRuns, running, buffered, backfills, spec } = description
  return {
    ...infoOf(description),
    input: decodePayload(spec.start.input),
    nextTimes: nextTimesMs.map((ms) => new Date(ms)),
    recentRuns: recentRuns.map((run) => ({ ...startedOf(run), status: run.status })),
    running,
    buffered: buffered === undefined ? undefined : runOf(buffered),
    backfills: backfills.map(({ fromMs, toMs }) => ({ from: new Date(fromMs), to: new Date(toMs) })),
  }
}

function runOf({ workflowId, timeMs, cause }: ScheduleRun): ScheduleRunInfo {
  return { workflowId, time: new Date(timeMs), cause }
}

function startedOf(run: StartedScheduleRun): StartedScheduleRunInfo {
  return { ...runOf(run), startedAt: new Date(run.startedMs) }
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}
