/** What is due for schedules, as timers of the runs that they stand as. */
import type { ScheduleReads } from '../../store/contract/schedule-rows.ts'
import type { TimerWindowOptions } from '../timer-window.ts'
import { scheduleKeyOf, scheduleRunOf } from './schedule-run.ts'

export function dueScheduleTimers(store: ScheduleReads): TimerWindowOptions['timers'] {
  return async ({ after: { dueAt, runId }, upToMs, limit }) => {
    const key = scheduleKeyOf(runId as ReturnType<typeof scheduleRunOf>) ?? { namespace: '', id: '' }
    const rows = await store.dueSchedules({ after: { dueAt, ...key }, upToMs, limit })
    return rows.map((row) => ({ runId: scheduleRunOf(row), timer: 0, dueAt: row.dueAt ?? 0, shard: -1 }))
  }
}
