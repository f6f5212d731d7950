/** Judges what became of tasks. */
import type { TaskState } from '../../src/core/task/task-record.ts'
import { isTaskClosed } from '../../src/protocol/task-status.ts'
import { MAX_ATTEMPTS } from './simulated-task.ts'
import type { World } from './world.ts'

const VIOLATIONS_LIMIT = 20

export function checkTasks(world: World): string[] {
  if (!world.isOfTasks) return []
  const { faults, endedTwice } = world.durable.tasks
  const violations = [...faults]
  for (const { id, text } of endedTwice)
    if (!world.retriedTasks.has(id)) violations.push(`task ${id} ${text}`)
  for (const { id, attempt, durable } of world.taskCalls) {
    if (durable === undefined && !world.deletedTasks.has(id))
      violations.push(`task ${id} ran before it was durable`)
    else if (durable !== undefined && isTaskClosed(durable))
      violations.push(`task ${id} ran when it was ${durable} for good`)
    if (attempt > MAX_ATTEMPTS) violations.push(`task ${id} ran in attempt ${attempt}`)
  }
  const markers = new Set(world.taskCalls.map(({ id, marker }) => `${id} ${marker}`))
  for (const row of world.state.tasks.list({ limit: 1e9 })) {
    const state = row.state === null ? {} : (JSON.parse(row.state) as TaskState)
    const history = world.durable.tasks.byId.get(row.id ?? `#${row.seq}`)
    if (!isTaskClosed(row.status)) violations.push(`I14: task ${row.id} is ${row.status} in the end`)
    if (history?.status !== row.status)
      violations.push(`task ${row.id} is ${row.status}, and was written as ${history?.status}`)
    if (row.status === 'completed' && !markers.has(`${row.id} ${state.result?.[3]}`))
      violations.push(`I2: task ${row.id} has the result ${JSON.stringify(state.result)}, which no call gave`)
    if (
      row.status === 'failed' &&
      state.failure?.name !== 'FatalTaskError' &&
      state.attempts !== MAX_ATTEMPTS
    )
      violations.push(`task ${row.id} failed after ${state.attempts} attempts`)
    if (row.dueAt !== null) violations.push(`task ${row.id} is ${row.status}, and something is due for it`)
  }
  return violations.slice(0, VIOLATIONS_LIMIT)
}
