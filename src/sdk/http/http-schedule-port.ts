/** Schedules, over the REST API. */
import type {
  ScheduleDescription,
  ScheduleListPage,
  SchedulePort,
  ScheduleSpec,
  ScheduleTarget,
  TriggerReply,
} from '../../protocol/schedule-port.ts'
import type { HttpCalls, HttpRequest } from './http-calls.ts'
import { pageLimit } from './page-limit.ts'

type Call = Omit<HttpRequest, 'path' | 'query'>

export function httpSchedules(calls: HttpCalls): SchedulePort {
  const on = async <T>({ namespace, id }: ScheduleTarget, path: readonly string[], call: Call): Promise<T> =>
    (await calls.ask<T>({ ...call, path: ['schedules', id, ...path], query: { namespace } })).body
  return {
    create: async ({ namespace, id }, spec: ScheduleSpec, { paused, onConflict }) => {
      await calls.ask({
        method: 'POST',
        path: ['schedules'],
        query: { namespace },
        body: { id, ...spec, paused, onConflict },
        isRepeatable: onConflict === 'update',
      })
    },
    update: (target, changes) => on(target, [], { method: 'PATCH', body: changes, isRepeatable: true }),
    pause: (target, reason) =>
      on(target, ['pause'], { method: 'POST', body: { reason }, isRepeatable: true }),
    resume: (target) => on(target, ['resume'], { method: 'POST', isRepeatable: true }),
    trigger: (target, options) =>
      on<TriggerReply>(target, ['trigger'], { method: 'POST', body: options, isRepeatable: true }),
    backfill: (target, range) =>
      on(target, ['backfill'], { method: 'POST', body: range, isRepeatable: false }),
    describe: (target) => on<ScheduleDescription>(target, [], { method: 'GET', isRepeatable: true }),
    list: async ({ limit, ...query }) => {
      const { body } = await calls.ask<ScheduleListPage>({
        method: 'GET',
        path: ['schedules'],
        query: { ...query, limit: pageLimit(limit) },
        isRepeatable: true,
      })
      return body
    },
    delete: (target) => on(target, [], { method: 'DELETE', isRepeatable: false }),
  }
}
