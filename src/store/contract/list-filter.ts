/** What `list` selects, in one place for all stores: SQL may narrow the rows before, this decides. */
import type { ExecutionRow } from './rows.ts'
import type { StoreListQuery } from './store.ts'

export function isListed(row: ExecutionRow, query: StoreListQuery): boolean {
  if (query.namespace !== undefined && row.key.namespace !== query.namespace) return false
  if (query.status !== undefined && !query.status.includes(row.status)) return false
  if (query.workflow !== undefined && row.workflow !== query.workflow) return false
  if (query.startedFrom !== undefined && row.startedAt < query.startedFrom) return false
  if (query.startedTo !== undefined && row.startedAt >= query.startedTo) return false
  if (query.closedBefore !== undefined && !(row.closedAt !== null && row.closedAt < query.closedBefore))
    return false
  return query.attributes === undefined || hasAttributes(row, query.attributes)
}

function hasAttributes(row: ExecutionRow, wanted: NonNullable<StoreListQuery['attributes']>): boolean {
  const attributes = row.attributes ?? {}
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(attributes, name) && attributes[name] === value,
  )
}

/** Recovery loads these: workflow code or steps may have to run, or the right code may be there by now. */
export function isRecoverable(row: Pick<ExecutionRow, 'status' | 'active'>): boolean {
  return row.status === 'parked' || (row.status === 'running' && row.active)
}
