// Types of schedules, checked by `tsc`: nothing here runs.
import { type Engine, type ScheduleDetails, workflow } from '../../src/index.ts'
import { expectType } from './expect-type.ts'

const report = workflow({ name: 'report', run: async (_, region: string) => region })
const tick = workflow({ name: 'tick', run: async () => 1 })

export async function schedules(engine: Engine): Promise<void> {
  const { schedules: all } = engine
  await all.create('a', { cron: '@daily', timezone: 'UTC' }, { workflow: report, input: 'north' })
  await all.create('b', { every: '5m' }, { workflow: tick, overlap: 'allow', paused: 'why', catchUp: 60_000 })
  // @ts-expect-error: the workflow has an input
  await all.create('a', { cron: '@daily' }, { workflow: report })
  // @ts-expect-error: of another type
  await all.create('a', { cron: '@daily' }, { workflow: report, input: 7 })
  // @ts-expect-error: no policy
  await all.create('b', { every: '5m' }, { workflow: tick, overlap: 'queue' })
  // @ts-expect-error: no duration
  await all.create('b', { every: '5 minutes' }, { workflow: tick })
  // @ts-expect-error: neither an expression nor an interval
  await all.create('b', { timezone: 'UTC' }, { workflow: tick })
  await all.update('a', { workflow: report, input: 'south', times: { every: 60_000 } })
  // @ts-expect-error: of another type
  await all.update('a', { workflow: report, input: 7 })
  const details = await all.describe('a')
  expectType<ScheduleDetails>()(details)
  expectType<readonly Date[]>()(details.nextTimes)
  const { outcome } = await all.trigger('a', { overlap: 'allow' })
  expectType<'started' | 'buffered' | 'skipped'>()(outcome)
  await all.backfill('a', new Date(0), Date.now())
}
