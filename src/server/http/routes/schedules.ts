/** Schedules: executions that start at given times, again and again. */

import Type from 'typebox'
import { PerdureError } from '../../../protocol/errors.ts'
import {
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type ScheduleChanges,
  type ScheduledStart,
  type ScheduleSpec,
  type ScheduleSummary,
} from '../../../protocol/schedule-port.ts'
import {
  type CheckedSettings,
  checkedPrefix,
  checkedSettings,
  DEFAULT_CATCH_UP_MS,
  timesFrom,
} from '../../../sdk/schedules/schedule-options.ts'
import { Cursors } from '../cursors.ts'
import { requestIdOf } from '../idempotency.ts'
import { present } from '../present.ts'
import { type RouteRequest, route } from '../route.ts'
import { reason } from '../schemas/executions.ts'
import {
  newSchedule,
  overlap,
  schedule,
  scheduleChanges,
  schedulePage,
  scheduleParam,
  triggered,
} from '../schemas/schedules.ts'
import { answered, asked, name, nothing, optional, paging, timeMs, words } from '../schemas/values.ts'

const TAG = 'Schedules'
/** Of the id of a trigger, which is a part of a workflow id. */
const TRIGGER_CHARACTERS = 40
const created = answered('ScheduleCreated', { id: Type.String() })

type Times =
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone?: string }
  | { readonly kind: 'interval'; readonly everyMs: number; readonly offsetMs?: number }

interface Given {
  readonly times?: Times
  readonly startAtMs?: number
  readonly endAtMs?: number
  readonly overlap?: OverlapPolicy
  readonly catchUpMs?: number
  readonly jitterMs?: number
  readonly start?: Partial<Omit<ScheduledStart, 'input'>> & { readonly input?: unknown }
}

function timesOf(times: Times, { startAtMs: startAt, endAtMs: endAt }: Given): ReturnType<typeof timesFrom> {
  const bounds = present({ startAt, endAt })
  if (times.kind === 'cron') {
    const { cron, timezone } = times
    return timesFrom({ cron, ...present({ timezone }), ...bounds })
  }
  const { everyMs: every, offsetMs: offset } = times
  return timesFrom({ every, ...present({ offset }), ...bounds })
}

function settingsOf({ services }: RouteRequest, given: Given): CheckedSettings {
  const { overlap: policy, catchUpMs: catchUp, jitterMs: jitter, start = {} } = given
  const { idPrefix: workflowIdPrefix, timeoutMs: executionTimeout, attributes } = start
  const settings = present({
    overlap: policy,
    catchUp,
    jitter,
    workflowIdPrefix,
    executionTimeout,
    attributes,
  })
  return checkedSettings(settings, services.limits)
}

function specOf(
  request: RouteRequest,
  id: string,
  given: Given & {
    readonly times: Times
    readonly start: NonNullable<Given['start']> & { readonly workflow: string }
  },
): ScheduleSpec {
  const { services, payloads } = request
  const { workflow, version = '1', input } = given.start
  const settings = settingsOf(request, given)
  const {
    overlap: policy = 'skip',
    catchUpMs = DEFAULT_CATCH_UP_MS,
    jitterMs = 0,
    idPrefix,
    timeoutMs,
    attributes,
  } = settings
  return {
    ...timesOf(given.times, given),
    overlap: policy,
    catchUpMs,
    jitterMs,
    start: {
      workflow,
      version,
      input: payloads.taken(input, '/start/input'),
      idPrefix: idPrefix ?? checkedPrefix(id, services.limits),
      ...present({ timeoutMs, attributes }),
    },
  }
}

function changesOf(request: RouteRequest, given: Given): ScheduleChanges {
  const { start = {}, times } = given
  const { workflow, version } = start
  if (workflow !== undefined || version !== undefined) {
    if (workflow === undefined || version === undefined)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'start: another workflow comes with its version, and a version with its workflow',
      )
  }
  if (times === undefined && (given.startAtMs !== undefined || given.endAtMs !== undefined))
    throw new PerdureError('ARGUMENT_INVALID', 'startAtMs and endAtMs belong to the times: give these too')
  const { overlap: policy, catchUpMs, jitterMs, idPrefix, timeoutMs, attributes } = settingsOf(request, given)
  const input = start.input === undefined ? undefined : request.payloads.taken(start.input, '/start/input')
  const changed = present({ workflow, version, input, idPrefix, timeoutMs, attributes })
  return {
    ...(times === undefined ? {} : timesOf(times, given)),
    ...present({ overlap: policy, catchUpMs, jitterMs }),
    ...(Object.keys(changed).length === 0 ? {} : { start: changed }),
  }
}

function shown<T extends ScheduleSummary>({ payloads }: RouteRequest, { spec, ...rest }: T): object {
  const { input, ...start } = spec.start
  return { ...rest, spec: { ...spec, start: { ...start, ...payloads.field('input', input) } } }
}

/** With a key: one that is there, and is just as it is asked for, was made by an earlier call. */
async function isThere(request: RouteRequest, id: string, spec: ScheduleSpec): Promise<boolean> {
  if (request.idempotencyKey === undefined) return false
  const known = await request.port.schedules.describe({ namespace: request.namespace, id })
  return sortedText(known.spec) === sortedText(spec)
}

function sortedText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}

export const scheduleRoutes = [
  route({
    method: 'POST',
    path: '/schedules',
    operationId: 'createSchedule',
    tag: TAG,
    summary: 'Create a schedule',
    body: asked({ id: name('Unique in the namespace.'), ...newSchedule }),
    answers: { 201: { description: 'It is durable, and in force.', body: created } },
    errors: ['SCHEDULE_EXISTS', 'WORKFLOW_UNKNOWN', 'DURATION_INVALID', 'PAYLOAD_TOO_LARGE'],
    needs: ['schedules.create', 'schedules.describe'],
    repeats:
      'Without a key a repeat gets `SCHEDULE_EXISTS` (with `onConflict: "update"` it is harmless). With a key, a schedule that is there with this id, these times and these options counts as the answer, whoever made it.',
    run: async (request) => {
      const { namespace, port, body } = request
      const { id, paused, onConflict = 'fail', ...given } = body
      const spec = specOf(request, id, given)
      try {
        await port.schedules.create({ namespace, id }, spec, { onConflict, ...present({ paused }) })
      } catch (error) {
        const exists = error instanceof PerdureError && error.code === 'SCHEDULE_EXISTS'
        if (!exists || !(await isThere(request, id, spec))) throw error
      }
      return { status: 201, headers: { location: `/v1/schedules/${encodeURIComponent(id)}` }, body: { id } }
    },
  }),
  route({
    method: 'GET',
    path: '/schedules',
    operationId: 'listSchedules',
    tag: TAG,
    summary: 'List schedules',
    query: paging,
    answers: { 200: { description: 'A page.', body: schedulePage } },
    needs: ['schedules.list'],
    run: async (request) => {
      const { namespace, query, port } = request
      const { cursor, limit = 100 } = query
      const cursors = new Cursors('schedules', { namespace })
      const found = await port.schedules.list({ namespace, limit, ...cursors.taken(cursor) })
      return {
        body: {
          schedules: found.schedules.map((each) => shown(request, each)),
          ...cursors.field(found.cursor),
        },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/schedules/{id}',
    operationId: 'getSchedule',
    tag: TAG,
    summary: 'Describe a schedule',
    params: scheduleParam,
    answers: { 200: { description: 'Its times, its runs, and what is next.', body: schedule } },
    errors: ['SCHEDULE_NOT_FOUND'],
    needs: ['schedules.describe'],
    run: async (request) => {
      const { namespace, params, port } = request
      return { body: shown(request, await port.schedules.describe({ namespace, ...params })) }
    },
  }),
  route({
    method: 'PATCH',
    path: '/schedules/{id}',
    operationId: 'updateSchedule',
    tag: TAG,
    summary: 'Change a schedule',
    description: 'Other times hold from now on; runs that are open stay.',
    params: scheduleParam,
    body: scheduleChanges,
    answers: { 204: nothing },
    errors: ['SCHEDULE_NOT_FOUND', 'WORKFLOW_UNKNOWN', 'DURATION_INVALID', 'PAYLOAD_TOO_LARGE'],
    needs: ['schedules.update'],
    repeats: 'Harmless. A key is not looked at.',
    run: async (request) => {
      const { namespace, params, body, port } = request
      await port.schedules.update({ namespace, ...params }, changesOf(request, body))
      return { status: 204 }
    },
  }),
  route({
    method: 'DELETE',
    path: '/schedules/{id}',
    operationId: 'deleteSchedule',
    tag: TAG,
    summary: 'Delete a schedule',
    description: 'Its runs stay.',
    params: scheduleParam,
    answers: { 204: nothing },
    errors: ['SCHEDULE_NOT_FOUND'],
    needs: ['schedules.delete'],
    repeats: 'Harmless: a repeat gets `SCHEDULE_NOT_FOUND`.',
    run: async ({ namespace, params, port }) => {
      await port.schedules.delete({ namespace, ...params })
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/schedules/{id}/pause',
    operationId: 'pauseSchedule',
    tag: TAG,
    summary: 'Start nothing by a schedule until it is resumed',
    params: scheduleParam,
    body: asked(reason),
    answers: { 204: nothing },
    errors: ['SCHEDULE_NOT_FOUND'],
    needs: ['schedules.pause'],
    repeats: 'Harmless. A key is not looked at.',
    run: async ({ namespace, params, body, port }) => {
      await port.schedules.pause({ namespace, ...params }, body.reason ?? 'paused by a client')
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/schedules/{id}/resume',
    operationId: 'resumeSchedule',
    tag: TAG,
    summary: 'Let a schedule go on with the next time after now',
    params: scheduleParam,
    answers: { 204: nothing },
    errors: ['SCHEDULE_NOT_FOUND'],
    needs: ['schedules.resume'],
    repeats: 'Harmless. A key is not looked at.',
    run: async ({ namespace, params, port }) => {
      await port.schedules.resume({ namespace, ...params })
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/schedules/{id}/trigger',
    operationId: 'triggerSchedule',
    tag: TAG,
    summary: 'Start a run of a schedule now',
    description: 'Also while it is paused.',
    params: scheduleParam,
    body: asked({
      requestId: optional(
        Type.String({
          format: 'name',
          minLength: 1,
          maxLength: TRIGGER_CHARACTERS,
          description:
            'A part of the workflow id: there is one run for it. Default: the Idempotency-Key, else a new one.',
        }),
      ),
      overlap: optional(overlap),
    }),
    answers: { 200: { description: 'What became of the run.', body: triggered } },
    errors: ['SCHEDULE_NOT_FOUND', 'OVERLOADED'],
    needs: ['schedules.trigger'],
    repeats:
      'The key, or `requestId`, is a part of the workflow id: there is one run for it, as long as that is kept. A repeat of one of the last ten runs gets the same answer. A key of more than 40 characters is an error here.',
    run: async ({ namespace, params, body, port, idempotencyKey }) => {
      const requestId = requestIdOf(idempotencyKey, body.requestId, 'requestId') ?? port.newRequestId()
      if (requestId.length > TRIGGER_CHARACTERS)
        throw new PerdureError(
          'ARGUMENT_INVALID',
          `the Idempotency-Key of a trigger has more than ${TRIGGER_CHARACTERS} characters`,
        )
      const how = { requestId, ...present({ overlap: body.overlap }) }
      return { body: await port.schedules.trigger({ namespace, ...params }, how) }
    },
  }),
  route({
    method: 'POST',
    path: '/schedules/{id}/backfill',
    operationId: 'backfillSchedule',
    tag: TAG,
    summary: 'Start the runs of times that are past',
    params: scheduleParam,
    body: asked({
      fromMs: timeMs('The first of them, if it is one.'),
      toMs: timeMs('The last of them, if it is one; not in the future.'),
      overlap: optional(words(OVERLAP_POLICIES, 'Default `allow`.')),
    }),
    answers: { 204: { description: 'It has begun, and that is durable.' } },
    errors: ['SCHEDULE_NOT_FOUND', 'OVERLOADED'],
    needs: ['schedules.backfill'],
    repeats:
      'Workflow ids are made of the times: a time whose run is kept has no second one. A key is not looked at.',
    run: async ({ namespace, params, body, port }) => {
      const { fromMs, toMs, overlap: policy = 'allow' } = body
      if (fromMs > toMs) throw new PerdureError('ARGUMENT_INVALID', 'fromMs is after toMs')
      await port.schedules.backfill({ namespace, ...params }, { fromMs, toMs, overlap: policy })
      return { status: 204 }
    },
  }),
]
