/** How PostgreSQL carries out what the engine asks, with many executions in the database: which index, how much is read. */
import pg from 'pg'
import type { RunId } from '../../src/protocol/ids.ts'
import { BatchStatements } from '../../src/store/postgres/batch-statement.ts'
import type { Statement } from '../../src/store/postgres/postgres-link.ts'
import { PostgresReads } from '../../src/store/postgres/postgres-reads.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { ReadMethods } from '../../src/store/postgres/read-methods.ts'
import { PostgresServer } from '../../test/postgres/server.ts'
import { type Filled, fillForPlans } from '../plan-fill.ts'
import { batchesOf, type PlanRuns, readsOf } from '../plan-queries.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'

const EXECUTIONS = 1_000_000
const QUICK_EXECUTIONS = 20_000
const DAY_MS = 86_400_000
/** Nothing of it is to be kept over a crash; the rest is as in the other benchmarks. */
const SETTINGS = {
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  fsync: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  maintenance_work_mem: '256MB',
}

interface PlanRow {
  readonly workload: 'plans'
  readonly executions: number
  readonly what: string
  /** Of partitions by the name that they have in common; tables that are read whole by theirs, in brackets. */
  readonly indexes: readonly string[]
  readonly rows: number
  /** Of 8 KiB, from memory or the disk. */
  readonly buffers: number
  readonly milliseconds: number
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Index Name'?: string
  readonly 'Relation Name'?: string
  readonly 'Actual Loops': number
  readonly 'Actual Rows': number
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly PlanNode[]
}

export const plans: TableWorkload<PlanRow> = {
  name: 'plans',
  about:
    'how PostgreSQL carries out each read and the batches, with many executions of 30 days (1,000,000, or --executions): index, rows, buffers, ms; and how long a day takes to be dropped',
  rows: measure,
  tableOf: (rows) => {
    const lines = rows.map(({ what, indexes, rows: count, buffers, milliseconds }) => [
      what,
      indexes.map((name) => (name.startsWith('(') ? name : `\`${name}\``)).join(', '),
      numberText(count),
      numberText(buffers),
      milliseconds.toFixed(1),
    ])
    const head = `${numberText(rows[0]?.executions ?? 0)} executions`
    return markdownTable([head, 'index', 'rows', 'buffers', 'ms'], lines)
  },
}

async function* measure(options: TableOptions): AsyncGenerator<PlanRow, void, undefined> {
  const executions = options.executions ?? (options.isQuick ? QUICK_EXECUTIONS : EXECUTIONS)
  await using server = await PostgresServer.start({ settings: SETTINGS })
  const { name, url } = await server.createDatabase()
  const store = await createPostgresStore(url)
  try {
    const session = await store.register({ node: 'bench', incarnation: 'bench', nowMs: Date.now() })
    const filled = await fillForPlans(server, name, executions, options.progress)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const rowOf = (what: string, plan: Explained): PlanRow => ({
      workload: 'plans',
      executions,
      what,
      ...plan,
    })
    try {
      // As for the engine: texts of batches are the same each time.
      const runs = await someRuns(client, filled)
      for (const [what, ask] of Object.entries(readsOf(explaining(client), runs)))
        yield rowOf(what, await explained(client, ask))
      await client.query('set plan_cache_mode = force_generic_plan')
      const statements = new BatchStatements()
      for (const [what, batch] of Object.entries(batchesOf(session.session, runs)))
        yield rowOf(what, await explained(client, () => explain(client, statements.of(batch))))
    } finally {
      await client.end()
    }
    yield rowOf(
      'retention: a day is dropped; in `ms` the longest that a read had to wait',
      await dropped(store, url, session.session, filled),
    )
  } finally {
    await store.close()
  }
}

async function someRuns(client: pg.Client, { firstDay }: Filled): Promise<PlanRuns> {
  const { rows } = await client.query(
    `select run_id from perdure.execution where day >= $1 and status = 'running' and not active
     order by md5(run_id) limit 100`,
    [firstDay],
  )
  const nowMs = Date.now()
  const [newest] = (await client.query('select max(run_id) as id from perdure.execution')).rows
  return {
    runIds: rows.map((row) => row.run_id as RunId),
    newRunId: `${String(newest?.id).slice(0, 10)}ZZZZZZZZZZZZZZZZ` as RunId,
    nowMs,
  }
}

type Explained = Pick<PlanRow, 'indexes' | 'rows' | 'buffers' | 'milliseconds'>

/** What was explained last. */
let last: Explained | undefined

function explaining(client: pg.Client): { readonly all: ReadMethods; readonly runs: PostgresReads } {
  const ask = async (statement: Statement): Promise<[]> => {
    last = await explain(client, statement)
    return []
  }
  return { all: new ReadMethods(ask), runs: new PostgresReads(ask) }
}

/** The second time: the first one reads what later ones find in memory. */
async function explained(client: pg.Client, ask: () => Promise<unknown>): Promise<Explained> {
  await client.query('begin')
  await ask()
  await client.query('rollback; begin')
  last = undefined
  const answer = await ask()
  await client.query('rollback')
  const plan = last ?? (answer as Explained | undefined)
  if (plan === undefined) throw new Error('nothing was asked')
  return plan
}

async function explain(client: pg.Client, { text, values = [] }: Statement): Promise<Explained> {
  const { rows } = await client.query(`explain (analyze, buffers, format json) ${text}`, [...values])
  const [{ Plan: plan, 'Execution Time': milliseconds }] = rows[0]['QUERY PLAN'] as [
    { Plan: PlanNode; 'Execution Time': number },
  ]
  const indexes = new Set<string>()
  let most = 0
  const walk = (node: PlanNode): void => {
    if (node['Actual Loops'] > 0) {
      const { 'Index Name': index, 'Relation Name': table, 'Node Type': type } = node
      if (index !== undefined) indexes.add(index.replace(/_(\d+|rest)_/, '_'))
      else if (type === 'Seq Scan' && table !== undefined)
        indexes.add(`(${table.replace(/_(\d+|rest)$/, '')})`)
      if (table !== undefined) most = Math.max(most, node['Actual Rows'] * node['Actual Loops'])
    }
    for (const below of node.Plans ?? []) walk(below)
  }
  walk(plan)
  // Parts of a batch that nothing reads from run at the end, and are not in the sum of the whole.
  const parts = (plan.Plans ?? []).map(buffersOf)
  const buffers = Math.max(
    buffersOf(plan),
    parts.reduce((sum, each) => sum + each, 0),
  )
  const rowsOf = Math.round(plan['Node Type'] === 'ModifyTable' ? most : Math.max(plan['Actual Rows'], most))
  return { indexes: [...indexes].sort(), rows: rowsOf, buffers, milliseconds }
}

function buffersOf(node: PlanNode): number {
  return (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0)
}

/** The oldest day, while somebody else reads. */
async function dropped(
  store: Awaited<ReturnType<typeof createPostgresStore>>,
  url: string,
  session: { readonly id: number; readonly incarnation: string },
  { firstDay, perDay }: Filled,
): Promise<Explained> {
  const reader = new pg.Client({ connectionString: url })
  await reader.connect()
  let isOver = false
  let longestMs = 0
  const reading = (async () => {
    while (!isOver) {
      const beganMs = performance.now()
      await reader.query('select from perdure.execution where day = $1 and run_id = $2', [
        firstDay + 5,
        'none',
      ])
      longestMs = Math.max(longestMs, performance.now() - beganMs)
    }
  })()
  try {
    const outcome = await store.dropDays?.(session, (firstDay + 1) * DAY_MS + 120_000)
    if (outcome?.dropped.includes(firstDay) !== true)
      throw new Error(`the day was not dropped: ${JSON.stringify(outcome)}`)
    const moved = await reader.query('select count(*)::int as n from perdure.execution_rest')
    return {
      indexes: [`(${numberText(perDay)} executions, ${numberText(moved.rows[0].n)} moved)`],
      rows: perDay,
      buffers: 0,
      milliseconds: longestMs,
    }
  } finally {
    isOver = true
    await reading
    await reader.end()
  }
}
