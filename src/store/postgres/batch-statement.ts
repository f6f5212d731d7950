/**
 * A batch as one statement: one message to the database, one transaction, and no lock that outlives it.
 *
 * 1. Its first part locks the row of the session, if that is not fenced. All others read from it, and the end raises
 *    `PD001` if it found nothing. A fence that comes first defeats the batch, one that comes later waits for it.
 * 2. Its text depends only on which tables it writes, so that it is prepared once for each such set.
 * 3. All parts see the rows as they were before the statement, so no two of them may write one row. A folded batch has one
 *    write for each key; only what a deleted run has in other lists is taken out here.
 * 4. Parts run in no order. What is deleted still exists for what is inserted: such a deletion reads from the insertion.
 */
import type { RunId } from '../../protocol/ids.ts'
import type { Batch } from '../contract/batch.ts'
import { RunDays } from '../contract/run-days.ts'
import { ADMIN_PARTS } from './admin-parts.ts'
import type { Part } from './batch-part.ts'
import { CLUSTER_PARTS } from './cluster-parts.ts'
import type { Statement } from './postgres-link.ts'
import { RUN_PARTS } from './run-parts.ts'
import { TASK_PARTS } from './task-parts.ts'

export class ContradictoryBatchError extends Error {
  override readonly name = 'ContradictoryBatchError'
}

const PARTS: readonly Part[] = [...RUN_PARTS, ...TASK_PARTS, ...CLUSTER_PARTS, ...ADMIN_PARTS]

/** Sets of tables whose statements are kept prepared: a server keeps each of them for each connection. */
const PREPARED_MAX = 100

const GUARD = `
  select id from perdure.session where id = $1::int8 and incarnation = $2::text and fenced_at is null for share`
const NUMBER = 'insert into perdure.commit (session_id, seq, at) select id, $3::int8, $4::int8 from guard'
/** Parameters of the guard and the number. */
const HEAD_PARAMETERS = 4

export class BatchStatements {
  readonly #texts = new Map<number, string>()
  readonly #days = new RunDays()

  of(given: Batch): Statement {
    const batch = given.deleted.length === 0 ? given : withoutDeleted(given)
    let tables = 0
    const values: unknown[] = [batch.session.id, batch.session.incarnation, batch.seq, batch.atMs]
    for (const [index, part] of PARTS.entries()) {
      if (part.count(batch) === 0) continue
      tables += 2 ** index
      values.push(...part.arrays(batch, this.#days))
    }
    const known = this.#texts.get(tables)
    const text = known ?? textOf(tables)
    if (known === undefined && this.#texts.size < PREPARED_MAX) this.#texts.set(tables, text)
    return this.#texts.has(tables) ? { text, values, name: `perdure-batch-${tables}` } : { text, values }
  }
}

function textOf(tables: number): string {
  const withs = [`guard as materialized (${GUARD})`, `number as (${NUMBER})`]
  const parts = PARTS.filter((_, index) => Math.floor(tables / 2 ** index) % 2 === 1)
  /** Names of the parts that insert, by their tables. */
  const inserting = new Map<string, string>()
  let parameter = HEAD_PARAMETERS
  for (const { columns, sql, inserts = '', deletes = '' } of parts) {
    const names: string[] = []
    const arrays: string[] = []
    for (const column of columns.split(',')) {
      const [name = '', type = ''] = column.trim().split(' ')
      names.push(name)
      parameter += 1
      arrays.push(`$${parameter}::${type}[]`)
    }
    const source = `guard, unnest(${arrays.join(', ')}) as given (${names.join(', ')})`
    const name = `part_${withs.length}`
    const isAwaited = inserts !== '' && parts.some((part) => part.deletes === inserts)
    if (isAwaited) inserting.set(inserts, name)
    const awaited = inserting.get(deletes)
    for (const statement of sql(source)) {
      const after = awaited === undefined ? '' : ` and (select count(*) from ${awaited}) >= 0`
      withs.push(`part_${withs.length} as (${statement}${after}${isAwaited ? ' returning 1' : ''})`)
    }
  }
  return `with ${withs.join(',\n')}\nselect perdure.guard((select count(*) from guard))`
}

/**
 * A deleted run leaves nothing but its deletion. Inserting rows of it beside is a contradiction that folding does not make;
 * which of the two would win is not defined.
 */
function withoutDeleted(batch: Batch): Batch {
  const gone = new Set(batch.deleted.map(({ runId }) => runId))
  for (const { runId } of [...batch.journal, ...batch.executionsInserted])
    if (gone.has(runId)) throw new ContradictoryBatchError(`run ${runId} is deleted and written by one batch`)
  const stays = ({ runId }: { readonly runId: RunId }): boolean => !gone.has(runId)
  return {
    ...batch,
    executionsUpdated: batch.executionsUpdated.filter(stays),
    timersArmed: batch.timersArmed.filter(stays),
    timersDropped: batch.timersDropped.filter(stays),
  }
}
