/** One table of a batch: which rows it writes, and how. */
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { Batch } from '../contract/batch.ts'
import type { RunDays } from '../contract/run-days.ts'
import { int4Array, textArray } from './binary-array.ts'

export interface Part {
  /** Columns of the rows, with their types, in the order of the arrays. */
  readonly columns: string
  /** Its only statement inserts into this table, and is refused if a key of its rows exists. */
  readonly inserts?: string
  /** Its only statement deletes from this table: after the inserts, to which what it deletes still exists. */
  readonly deletes?: string
  /** Statements on rows that are named `given`; `source` is where they come from, for `from` or `using`. */
  sql(source: string): readonly string[]
  /** Rows that it writes. */
  count(batch: Batch): number
  arrays(batch: Batch, days: RunDays): readonly Buffer[]
}

/** A part that writes the rows of one list of the batch. */
export function partOf<T>(part: {
  readonly inserts?: string
  readonly deletes?: string
  readonly columns: string
  readonly rows: (batch: Batch) => readonly T[]
  readonly arrays: (rows: readonly T[], days: RunDays) => readonly Buffer[]
  readonly sql: (source: string) => string | readonly string[]
}): Part {
  const { inserts, deletes } = part
  return {
    ...(inserts === undefined ? {} : { inserts }),
    ...(deletes === undefined ? {} : { deletes }),
    columns: part.columns,
    sql: (source) => [part.sql(source)].flat(),
    count: (batch) => part.rows(batch).length,
    arrays: (batch, days) => part.arrays(part.rows(batch), days),
  }
}

/** Columns of a run, of its key. */
export const RUN = 'day int4, run_id text'
export const KEY = 'namespace text, workflow_id text'

export function runArrays(rows: readonly { readonly runId: RunId }[], days: RunDays): Buffer[] {
  return [int4Array(rows.map(({ runId }) => days.of(runId))), textArray(rows.map(({ runId }) => runId))]
}

export function keyArrays(keys: readonly WorkflowKey[]): Buffer[] {
  return [
    textArray(keys.map(({ namespace }) => namespace)),
    textArray(keys.map(({ workflowId }) => workflowId)),
  ]
}
