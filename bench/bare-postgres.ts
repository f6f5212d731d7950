/**
 * The bare loop on PostgreSQL: one prepared statement for each set of tables, with `unnest` of binary arrays, on the engine's
 * schema, over one connection. No guard, and no engine.
 */
import pg from 'pg'
import { boolArray, int4Array, int8Array, textArray } from '../src/store/postgres/binary-array.ts'
import { createPostgresStore } from '../src/store/postgres/postgres-store.ts'
import type { BareCommit, BareRows } from './bare-loop.ts'

const DAY = Math.floor(Date.now() / 86_400_000)

interface Table {
  readonly name: keyof BareRows
  readonly types: readonly string[]
  sql(given: string): string
}

const TABLES: readonly Table[] = [
  {
    name: 'journal',
    types: ['text', 'int4', 'int4', 'text'],
    sql: (given) => `insert into perdure.journal (day, epoch, run_id, seq, count, events)
      select ${DAY}, 1, * from ${given}`,
  },
  {
    name: 'execution',
    types: ['text', 'text', 'text', 'int4', 'bool', 'int8'],
    sql: (given) => `insert into perdure.execution
        (day, namespace, version, status, run_id, workflow_id, workflow, shard, active, started_at)
      select ${DAY}, 'default', '1', 'running', * from ${given}`,
  },
  {
    name: 'current',
    types: ['text', 'text'],
    sql: (given) => `insert into perdure.current (day, namespace, run_id, workflow_id)
      select ${DAY}, 'default', * from ${given}`,
  },
  {
    name: 'timer',
    types: ['text', 'int8', 'int4'],
    sql: (given) =>
      `insert into perdure.timer (day, timer, run_id, due_at, shard) select ${DAY}, 1, * from ${given}`,
  },
  {
    name: 'ended',
    types: ['text'],
    sql: (
      given,
    ) => `update perdure.execution as t set status = 'completed', active = false, closed_at = $2::int8,
        attributes = null
      from ${given} where t.day = ${DAY} and t.run_id = given.a0`,
  },
]

/** `close` ends its connection. */
export async function barePostgres(url: string): Promise<{ commit: BareCommit; close: () => Promise<void> }> {
  await (await createPostgresStore(url)).close()
  const client = new pg.Client({ connectionString: url, options: '-c plan_cache_mode=force_generic_plan' })
  await client.connect()
  const texts = new Map<number, string>()
  const commit: BareCommit = async (seq, atMs, rows) => {
    const tables = TABLES.reduce(
      (mask, { name }, index) => mask + (rows[name].length > 0 ? 2 ** index : 0),
      0,
    )
    const text = texts.get(tables) ?? statementOf(tables)
    texts.set(tables, text)
    const values: unknown[] = [seq, atMs]
    for (const { name, types } of TABLES)
      if (rows[name].length > 0) values.push(...arraysOf(rows[name], types))
    await client.query({ name: `bare-${tables}`, text, values })
  }
  return { commit, close: () => client.end() }
}

function statementOf(tables: number): string {
  let parameter = 2
  const parts = TABLES.filter((_, index) => (tables >> index) % 2 === 1).map(({ name, types, sql }) => {
    const arrays = types.map((type) => `$${++parameter}::${type}[]`)
    const given = `unnest(${arrays.join(', ')}) as given (${types.map((_, index) => `a${index}`).join(', ')})`
    return `${name}_part as (${sql(given)})`
  })
  const number = 'insert into perdure.commit (session_id, seq, at) values (1, $1::int8, $2::int8)'
  return `with ${parts.join(', ')} ${number}`
}

function arraysOf(cells: BareRows[keyof BareRows], types: readonly string[]): Buffer[] {
  return types.map((type, column) => {
    const values: unknown[] = []
    for (let i = column; i < cells.length; i += types.length) values.push(cells[i])
    if (type === 'text') return textArray(values as string[])
    if (type === 'bool') return boolArray(values.map((value) => value === 1))
    return type === 'int8' ? int8Array(values as number[]) : int4Array(values as number[])
  })
}
