/**
 * The bare loop: the rows of a workload, group-committed, and no engine. The ceiling that the engine is held against.
 *
 * Each lane takes its execution from phase to phase. A phase is what one commit records of it, as the engine's commits do,
 * and the next phase waits for that commit; all lanes that are ready share one. On SQLite: the engine's schema and settings
 * of the connection (WAL, `synchronous=FULL`), prepared statements of many rows. In memory: maps.
 */
import type { SQLInputValue } from 'node:sqlite'
import { openWriting } from '../src/store/sqlite/connection.ts'
import { migrate } from '../src/store/sqlite/migrate.ts'
import { fsyncsOf } from './fsync-count.ts'

export interface BareProgram {
  readonly workflow: string
  /** Results of steps that each phase records. The first phase records the start, the last one the end. */
  readonly steps: readonly number[]
  /** The execution does not end: it sleeps until then. */
  readonly sleepsUntilMs?: number
}

export interface BareExecution {
  readonly runId: string
  readonly workflowId: string
  readonly startedAtMs: number
  phase: number
  seq: number
}

type Cells = SQLInputValue[]
type Rows = Record<'journal' | 'executions' | 'currents' | 'timers' | 'ended', Cells>

export interface BareTables {
  /** Durable when it returns. */
  commit(seq: number, atMs: number, rows: Rows): void
  fsyncs(commits: number): number
}

const DAY = Math.floor(Date.now() / 86_400_000)
const ROWS_PER_STATEMENT = [100, 10, 1]

export function bareSqlite(file: string): BareTables {
  const database = openWriting(file, { synchronous: 'full' })
  migrate(database, file, 256)
  const many = (head: string, row: string, tail = '') => {
    const columns = row.split('?').length - 1
    const statements = ROWS_PER_STATEMENT.map((count) => {
      const sql = `${head} ${Array(count).fill(row).join(', ')} ${tail}`
      return { size: count * columns, statement: database.prepare(sql) }
    })
    return (cells: Cells, ...first: Cells): void => {
      let start = 0
      for (const { size, statement } of statements)
        for (; cells.length - start >= size; start += size)
          statement.run(...first, ...cells.slice(start, start + size))
    }
  }
  const journal = many(
    'insert into journal (day, run_id, seq, count, events, epoch, format) values',
    '(?, ?, ?, ?, ?, 0, 1)',
  )
  const executions = many(
    `insert into execution (day, run_id, workflow_id, workflow, shard, active, started_at, namespace, version, status)
      values`,
    "(?, ?, ?, ?, ?, ?, ?, 'default', '1', 'running')",
  )
  const currents = many(
    'insert into current (workflow_id, day, run_id, namespace) values',
    "(?, ?, ?, 'default')",
  )
  const timers = many('insert into timer (day, run_id, due_at, shard, timer) values', '(?, ?, ?, ?, 1)')
  const ended = many(
    `update execution set status = 'completed', active = 0, closed_at = ? where day = ? and run_id in (`,
    '?',
    ')',
  )
  const begin = database.prepare('begin immediate')
  const number = database.prepare('insert into "commit" (session_id, seq, at) values (1, ?, ?)')
  const end = database.prepare('commit')
  return {
    fsyncs: (commits) => fsyncsOf(file, commits),
    commit: (seq, atMs, rows) => {
      begin.run()
      number.run(seq, atMs)
      journal(rows.journal)
      executions(rows.executions)
      currents(rows.currents)
      timers(rows.timers)
      ended(rows.ended, atMs, DAY)
      end.run()
    },
  }
}

export function bareMemory(): BareTables {
  const tables = { journal: new Map(), executions: new Map(), currents: new Map(), timers: new Map() }
  const commits = new Map<number, number>()
  return {
    fsyncs: () => 0,
    commit: (seq, atMs, { journal, executions, currents, timers, ended }) => {
      commits.set(seq, atMs)
      commits.delete(seq - 1000)
      for (let i = 0; i < journal.length; i += 5) {
        const entry = { seq: journal[i + 2], count: journal[i + 3], events: journal[i + 4] }
        const entries = tables.journal.get(journal[i + 1])
        if (entries === undefined) tables.journal.set(journal[i + 1], [entry])
        else entries.push(entry)
      }
      for (let i = 0; i < executions.length; i += 7)
        tables.executions.set(executions[i + 1], { row: executions.slice(i, i + 7), status: 'running' })
      for (let i = 0; i < currents.length; i += 3) tables.currents.set(currents[i], currents[i + 2])
      for (let i = 0; i < timers.length; i += 4) tables.timers.set(timers[i + 1], timers.slice(i, i + 4))
      for (const runId of ended) tables.executions.get(runId).status = 'completed'
    },
  }
}

const payload = (value: unknown): string => `[1,"json",null,${JSON.stringify(value)}]`

/** Appends what one phase of an execution records. The step functions give `{ ok: true }`. */
function record(
  { workflow, steps, sleepsUntilMs }: BareProgram,
  execution: BareExecution,
  at: number,
  rows: Rows,
) {
  const { runId, workflowId, phase, seq } = execution
  let events = ''
  let count = 0
  const add = (event: string): void => {
    events += count++ === 0 ? event : `,${event}`
  }
  if (phase === 0) {
    const key = `{"namespace":"default","workflowId":"${workflowId}"}`
    add(
      `{"type":"execution-started","key":${key},"workflow":"${workflow}","version":"1","input":${payload({ orderId: workflowId })},"at":${at}}`,
    )
    rows.executions.push(DAY, runId, workflowId, workflow, 120, sleepsUntilMs === undefined ? 1 : 0, at)
    rows.currents.push(workflowId, DAY, runId)
  }
  for (let op = seq - 1; op < seq - 1 + (steps[phase] ?? 0); op++)
    add(`{"type":"step-completed","op":${op},"name":"step","result":${payload({ ok: true })},"at":${at}}`)
  if (sleepsUntilMs !== undefined) {
    add(`{"type":"timer-started","op":1,"name":"sleep","kind":"sleep","dueAt":${sleepsUntilMs},"at":${at}}`)
    rows.timers.push(DAY, runId, sleepsUntilMs, 120)
  } else if (phase === steps.length - 1) {
    add(`{"type":"execution-completed","result":${payload({ done: true })},"at":${at}}`)
    rows.ended.push(runId)
  }
  rows.journal.push(DAY, runId, seq, count, `[${events}]`)
  execution.seq += count
  execution.phase += 1
}

export interface BareLoad {
  readonly tables: BareTables
  readonly program: BareProgram
  readonly inFlight: number
  /** How long a step takes. */
  readonly stepMs?: number
  /** The next execution of a lane; none: the lane ends. */
  readonly next: () => BareExecution | undefined
  /** A phase of the execution is durable. */
  readonly onDurable: (execution: BareExecution) => void
  readonly counts: { commits: number; rows: number }
}

/** Resolves when all lanes have ended. */
export async function runBareLoop(load: BareLoad): Promise<void> {
  const { tables, program, counts, stepMs = 0 } = load
  let ready: BareExecution[] = []
  let running = 0
  let wake = (): void => {}
  const goOn = (execution: BareExecution | undefined): void => {
    if (execution === undefined) return
    if (stepMs === 0 || execution.phase === 0) ready.push(execution)
    else {
      running += 1
      setTimeout(() => {
        running -= 1
        ready.push(execution)
        wake()
      }, stepMs)
    }
  }
  for (let i = 0; i < load.inFlight; i++) goOn(load.next())
  while (ready.length + running > 0) {
    if (ready.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    const batch = ready
    ready = []
    const rows: Rows = { journal: [], executions: [], currents: [], timers: [], ended: [] }
    const at = Date.now()
    for (const execution of batch) record(program, execution, at, rows)
    tables.commit(++counts.commits, at, rows)
    const { journal, executions, currents, timers, ended } = rows
    counts.rows +=
      1 + journal.length / 5 + executions.length / 7 + currents.length / 3 + timers.length / 4 + ended.length
    for (const execution of batch) {
      load.onDurable(execution)
      goOn(execution.phase < program.steps.length ? execution : load.next())
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}
