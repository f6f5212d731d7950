/**
 * The bare loop: the rows of a workload, group-committed, and no engine. The ceiling that the engine is held against.
 *
 * Each lane takes its execution from phase to phase: a phase is what one commit records of it, and the next one waits for
 * that commit. All lanes that are ready share a commit. On SQLite: the engine's schema and settings of the connection (WAL,
 * synchronous=FULL), prepared statements of many rows. On PostgreSQL: see `bare-postgres.ts`. In memory: maps.
 */
import type { SQLInputValue } from 'node:sqlite'
import { openWriting } from '../src/store/sqlite/connection.ts'
import { migrate } from '../src/store/sqlite/migrate.ts'

export interface BareProgram {
  readonly workflow: string
  /** Results of steps that each phase records. The first phase records the start, the last one the end. */
  readonly steps: readonly number[]
  /** There is no end: the execution sleeps until then. */
  readonly dueAt?: number
}

export interface BareExecution {
  readonly runId: string
  readonly workflowId: string
  readonly startedAtMs: number
  phase: number
  seq: number
}

/** Cells of a row that are not the same in all rows: the run id comes first. */
const CELLS = { journal: 4, execution: 6, current: 2, timer: 3, ended: 1 } as const
export type BareRows = Record<keyof typeof CELLS, SQLInputValue[]>
const TABLES = Object.keys(CELLS) as (keyof BareRows)[]
/** Durable when it returns. */
export type BareCommit = (seq: number, atMs: number, rows: BareRows) => void | Promise<void>
const DAY = Math.floor(Date.now() / 86_400_000)
const ROWS_PER_STATEMENT = [256, 128, 64, 32, 16, 8, 4, 2, 1]
export function bareSqlite(file: string): BareCommit {
  const database = openWriting(file, { synchronous: 'full' })
  migrate(database, file, 256)
  const writer = (table: keyof BareRows, head: string, row: string, tail = '') => {
    const statements = ROWS_PER_STATEMENT.map((count) => {
      const sql = `${head} ${Array(count).fill(row).join(', ')} ${tail}`
      return { size: count * CELLS[table], statement: database.prepare(sql) }
    })
    return (rows: BareRows, ...first: SQLInputValue[]): void => {
      const cells = rows[table]
      let at = 0
      for (const { size, statement } of statements)
        for (; cells.length - at >= size; at += size) statement.run(...first, ...cells.slice(at, at + size))
    }
  }
  // Without `or fail` a statement of many rows keeps a journal of its own, in a file: a third more time.
  const insert = (table: keyof BareRows, columns: string, values: string) =>
    writer(table, `insert or fail into ${table} (day, run_id, ${columns}) values`, `(${DAY}, ?, ${values})`)
  const summary = 'workflow_id, workflow, shard, active, started_at, namespace, version, status'
  const inserters = [
    insert('journal', 'seq, count, events, epoch, format', '?, ?, ?, 1, 1'),
    insert('execution', summary, "?, ?, ?, ?, ?, 'default', '1', 'running'"),
    insert('current', 'workflow_id, namespace', "?, 'default'"),
    insert('timer', 'due_at, shard, timer', '?, ?, 1'),
  ]
  const change =
    "update or fail execution set status = 'completed', active = 0, closed_at = ?, attributes = null"
  const end = writer('ended', `${change} where day = ${DAY} and run_id in (`, '?', ')')
  const begin = database.prepare('begin immediate')
  const number = database.prepare('insert into "commit" (session_id, seq, at) values (1, ?, ?)')
  const commit = database.prepare('commit')
  return (seq, atMs, rows) => {
    begin.run()
    number.run(seq, atMs)
    for (const write of inserters) write(rows)
    end(rows, atMs)
    commit.run()
  }
}

export function bareMemory(): BareCommit {
  const tables = { journal: new Map(), execution: new Map(), current: new Map(), timer: new Map() }
  return (_seq, _atMs, rows) => {
    for (const table of ['journal', 'execution', 'current', 'timer'] as const) {
      const cells = rows[table]
      for (let i = 0; i < cells.length; i += CELLS[table]) {
        const key = table === 'journal' ? `${cells[i]} ${cells[i + 1]}` : cells[i]
        tables[table].set(key, cells.slice(i, i + CELLS[table]))
      }
    }
    for (const runId of rows.ended) tables.execution.get(runId)[4] = 0
  }
}

const payload = (value: unknown): string => `[1,"json",null,${JSON.stringify(value)}]`

/** What one phase of an execution records. */
function record(program: BareProgram, execution: BareExecution, at: number, rows: BareRows): void {
  const { workflow, steps, dueAt } = program
  const { runId, workflowId, phase, seq } = execution
  const events: string[] = []
  if (phase === 0) {
    const key = `{"namespace":"default","workflowId":"${workflowId}"},"workflow":"${workflow}","version":"1"`
    events.push(`"execution-started","key":${key},"input":${payload({ orderId: workflowId, dueAt })}`)
    rows.execution.push(runId, workflowId, workflow, 120, dueAt === undefined ? 1 : 0, at)
    rows.current.push(runId, workflowId)
  }
  for (let op = seq - 1, end = op + (steps[phase] ?? 0); op < end; op++)
    events.push(`"step-completed","op":${op},"name":"step","result":${payload({ ok: true })}`)
  if (dueAt !== undefined) {
    events.push(`"timer-started","op":1,"name":"sleep","kind":"sleep","dueAt":${dueAt}`)
    rows.timer.push(runId, dueAt, 120)
  } else if (phase === steps.length - 1) {
    events.push(`"execution-completed","result":${payload({ done: true })}`)
    rows.ended.push(runId)
  }
  const text = `[{"type":${events.join(`,"at":${at}},{"type":`)},"at":${at}}]`
  rows.journal.push(runId, seq, events.length, text)
  execution.seq += events.length
  execution.phase += 1
}

/** `goOn` takes an execution whose phase is durable, and gives what its lane goes on with, if anything. */
export async function runBareLoop(load: {
  readonly commit: BareCommit
  readonly program: BareProgram
  readonly counts: { commits: number; rows: number }
  readonly lanes: readonly BareExecution[]
  readonly stepMs?: number
  readonly goOn: (execution: BareExecution) => BareExecution | undefined
}): Promise<void> {
  const { counts, program, stepMs } = load
  let ready: BareExecution[] = []
  let open = load.lanes.length
  const queue = (execution: BareExecution): void => {
    if (stepMs === undefined || execution.phase === 0) ready.push(execution)
    else setTimeout(() => void ready.push(execution), stepMs)
  }
  for (const execution of load.lanes) queue(execution)
  for (; open > 0; await new Promise((resolve) => setImmediate(resolve))) {
    const batch = ready
    if (batch.length === 0) continue
    ready = []
    const rows: BareRows = { journal: [], execution: [], current: [], timer: [], ended: [] }
    const at = Date.now()
    for (const execution of batch) record(program, execution, at, rows)
    await load.commit(++counts.commits, at, rows)
    counts.rows += TABLES.reduce((sum, table) => sum + rows[table].length / CELLS[table], 1)
    for (const execution of batch) {
      const next = load.goOn(execution)
      if (next === undefined) open -= 1
      else queue(next)
    }
  }
}
