/**
 * What is said of what is not there. In one place, since what a caller may not know of is answered with the very same words.
 */
import { PerdureError } from './errors.ts'
import type { WorkflowKey } from './ids.ts'

interface Target {
  readonly namespace: string
  readonly id: string
}

export function noExecution({ namespace, workflowId }: WorkflowKey): PerdureError {
  return new PerdureError(
    'EXECUTION_NOT_FOUND',
    `there is no execution ${workflowId} in namespace ${namespace}`,
  )
}

export function noTask({ namespace, id }: Target): PerdureError {
  return new PerdureError('TASK_NOT_FOUND', `there is no task ${id} in namespace ${namespace}`)
}

export function noSchedule({ namespace, id }: Target): PerdureError {
  return new PerdureError('SCHEDULE_NOT_FOUND', `there is no schedule ${id} in namespace ${namespace}`)
}

export function noHumanTask({ namespace, id }: Target): PerdureError {
  return new PerdureError('HUMAN_TASK_NOT_FOUND', `there is no human task ${id} in namespace ${namespace}`)
}

export function noNamespace(namespace: string): PerdureError {
  return new PerdureError('NAMESPACE_NOT_FOUND', `there is no namespace ${namespace}`)
}
