/** What is due for tasks, as timers of no run: the number of a timer is that of its task. */
import type { TaskReads } from '../../store/contract/task-rows.ts'
import { NO_RUN } from '../no-run.ts'
import type { TimerWindowOptions } from '../timer-window.ts'

export function dueTimers(store: TaskReads): TimerWindowOptions['timers'] {
  return async ({ after, upToMs, limit }) => {
    const rows = await store.dueTasks({ after: { dueAt: after.dueAt, seq: after.timer }, upToMs, limit })
    return rows.map(({ seq, dueAt }) => ({ runId: NO_RUN, timer: seq, dueAt: dueAt ?? 0, shard: -1 }))
  }
}
