/** What callers give to `list()`, checked. */
import type { ListQuery } from '../protocol/client-port.ts'
import { PerdureError } from '../protocol/errors.ts'
import { EXECUTION_STATUSES } from '../protocol/execution-status.ts'
import { checkedAttributes } from './checked-attributes.ts'
import type { Workflow } from './definition.ts'

export interface ListOptions extends Omit<ListQuery, 'namespace' | 'workflow' | 'startedFrom' | 'startedTo'> {
  readonly workflow?: Workflow | string
  /** Bounds of the start time: from inclusive, to exclusive. */
  readonly startedFrom?: Date | number
  readonly startedTo?: Date | number
}

export function listQuery(options: ListOptions, namespace: string): ListQuery {
  const { workflow, startedFrom, startedTo, status, attributes, limit, cursor } = options
  if (status !== undefined) checkStatuses(status)
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1))
    throw invalid(`limit is ${limit}, not a whole number of 1 or more`)
  return {
    namespace,
    ...(status === undefined ? {} : { status }),
    ...(workflow === undefined ? {} : { workflow: nameOf(workflow) }),
    ...(startedFrom === undefined ? {} : { startedFrom: timeOf(startedFrom, 'startedFrom') }),
    ...(startedTo === undefined ? {} : { startedTo: timeOf(startedTo, 'startedTo') }),
    ...(attributes === undefined ? {} : { attributes: checkedAttributes(attributes) }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  }
}

function checkStatuses(statuses: readonly string[]): void {
  if (!Array.isArray(statuses)) throw invalid('status is not a list')
  const known: readonly string[] = EXECUTION_STATUSES
  const unknown = statuses.find((status) => !known.includes(status))
  if (unknown !== undefined) throw invalid(`'${unknown}' is no status; there are: ${known.join(', ')}`)
}

function nameOf(workflow: Workflow | string): string {
  if (typeof workflow === 'string') return workflow
  if (workflow?.kind !== 'workflow') throw invalid('workflow is neither a workflow nor a name')
  return workflow.name
}

function timeOf(time: Date | number, what: string): number {
  const ms = time instanceof Date ? time.getTime() : time
  if (typeof ms !== 'number' || Number.isNaN(ms)) throw invalid(`${what} is not a valid time`)
  return ms
}

function invalid(detail: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `list(): ${detail}`)
}
