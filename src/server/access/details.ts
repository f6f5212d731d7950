/** Reads what policies look at and a call does not say. */
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { DetailTarget } from './client-actions.ts'
import type { ResourceFacts } from './resource.ts'
import * as resources from './resources.ts'

const MISSING = new Set([
  'EXECUTION_NOT_FOUND',
  'TASK_NOT_FOUND',
  'SCHEDULE_NOT_FOUND',
  'HUMAN_TASK_NOT_FOUND',
])

/** Undefined: it is not there. */
export async function detailed(port: ClientPort, target: DetailTarget): Promise<ResourceFacts | undefined> {
  try {
    return await read(port, target)
  } catch (error) {
    if (error instanceof PerdureError && MISSING.has(error.code)) return undefined
    throw error
  }
}

async function read(port: ClientPort, target: DetailTarget): Promise<ResourceFacts> {
  switch (target.kind) {
    case 'execution':
      return resources.execution(target.target.key, await port.describe(target.target))
    case 'task':
      return resources.task(target, await port.tasks.describe(target))
    case 'schedule':
      return resources.scheduleRow(target.namespace, await port.schedules.describe(target))
    case 'human-task':
      return resources.humanTaskRow(target.namespace, await port.people.describe(target))
    case 'scheduled-start': {
      const { schedule, changes } = target
      const { spec } = await port.schedules.describe(schedule)
      const start = { ...spec.start, ...changes }
      return resources.execution({ namespace: schedule.namespace, workflowId: start.idPrefix }, start)
    }
  }
}
