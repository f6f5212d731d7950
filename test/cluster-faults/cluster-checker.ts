/**
 * Compares what clients were told with what the database has, after all faults and all work have ended. It reads the tables
 * itself, by SQL.
 *
 * 1. Each acknowledged start has an execution, each acknowledged signal is in its journal, once, and each result that was read
 *    is the one that is recorded.
 * 2. Each journal is without gaps, its epochs never fall, each operation has at most one recorded completion, and it has
 *    exactly one end, as its last event.
 * 3. Nothing is left: no message between shards, no task, no timer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { decodePayload, type Payload } from '../../src/protocol/payload.ts'
import type { PostgresServer } from '../postgres/server.ts'
import type { ClientEntry } from './client-log.ts'

interface JournalEvent {
  readonly type: string
  readonly op?: unknown
  readonly requestId?: string
  readonly result?: Payload
}

interface Journal {
  readonly workflowId: string
  readonly runId: string
  next: number
  epoch: number
  last: JournalEvent | undefined
  ends: number
  readonly completed: Set<string>
  readonly requests: Map<string, number>
}

export interface Verdict {
  readonly faults: readonly string[]
  readonly executions: number
  readonly events: number
  /** Acknowledgements of clients that were compared with the database. */
  readonly acknowledgements: number
}

const PAGE = 5000
const FAULTS_TOLD = 50
const FORGOTTEN_MS = 10_000
const ENDS = /^execution-(completed|failed|cancelled|terminated|timed-out|continued)$/
const COMPLETIONS = /^(step|child|task)-(completed|failed)$|^timer-fired$/

export async function checkCluster(
  server: PostgresServer,
  database: string,
  logs: readonly (readonly ClientEntry[])[],
): Promise<Verdict> {
  const faults: string[] = []
  const journals = new Map<string, Journal>()
  let events = 0
  for await (const row of journalRows(server, database)) events += take(row, journals, faults)
  const byId = new Map<string, Journal>()
  for (const journal of journals.values()) {
    byId.set(journal.workflowId, journal)
    checkEnd(journal, faults)
  }
  for (const { id, status } of await openExecutions(server, database)) faults.push(`${id} is ${status}`)
  let acknowledgements = 0
  for (const entry of logs.flat()) {
    if (entry.kind === 'error') faults.push(`${entry.id}: ${entry.error}`)
    else if (entry.kind !== 'again') acknowledgements += 1
    checkEntry(entry, byId.get(entry.id), faults)
  }
  faults.push(...(await leftOver(server, database)))
  return { faults: faults.slice(0, FAULTS_TOLD), executions: journals.size, events, acknowledgements }
}

interface Row {
  readonly run_id: string
  readonly workflow_id: string
  readonly seq: number
  readonly epoch: number
  readonly events: string
}

/** In the order of runs and of their events. */
async function* journalRows(server: PostgresServer, database: string): AsyncGenerator<Row> {
  let after: readonly [number, string, number] = [0, '', 0]
  for (;;) {
    const rows = await server.query(
      `select journal.day, journal.run_id, workflow_id, seq, epoch::int, events from perdure.journal
        join perdure.execution using (day, run_id)
        where (journal.day, journal.run_id, seq) > ($1, $2, $3)
        order by journal.day, journal.run_id, seq limit ${PAGE}`,
      [...after],
      database,
    )
    for (const row of rows) yield row as Row
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last.day, last.run_id, last.seq]
  }
}

/** Answers how many events. */
function take(row: Row, journals: Map<string, Journal>, faults: string[]): number {
  const { run_id: runId, workflow_id: workflowId } = row
  const journal: Journal = journals.get(runId) ?? {
    workflowId,
    runId,
    next: 1,
    epoch: 0,
    last: undefined,
    ends: 0,
    completed: new Set(),
    requests: new Map(),
  }
  journals.set(runId, journal)
  if (row.seq !== journal.next) faults.push(`${runId}: event ${row.seq} follows ${journal.next - 1}`)
  if (row.epoch < journal.epoch)
    faults.push(`${runId}: epoch ${row.epoch} after ${journal.epoch} at ${row.seq}`)
  journal.epoch = row.epoch
  const events = JSON.parse(row.events) as JournalEvent[]
  journal.next = row.seq + events.length
  for (const event of events) {
    journal.last = event
    if (ENDS.test(event.type)) journal.ends += 1
    if (event.type === 'signal-received' && event.requestId !== undefined)
      journal.requests.set(event.requestId, (journal.requests.get(event.requestId) ?? 0) + 1)
    if (!COMPLETIONS.test(event.type)) continue
    const operation = JSON.stringify(event.op)
    if (journal.completed.has(operation)) faults.push(`${runId}: ${operation} is completed twice`)
    journal.completed.add(operation)
  }
  return events.length
}

function checkEnd({ runId, workflowId, ends, last }: Journal, faults: string[]): void {
  if (ends === 1 && last?.type === 'execution-completed') return
  faults.push(`${workflowId} (${runId}) has ${ends} ends, its last event is ${last?.type}`)
}

function checkEntry(entry: ClientEntry, journal: Journal | undefined, faults: string[]): void {
  if (entry.kind === 'error' || entry.kind === 'again') return
  const { id } = entry
  if (journal === undefined) {
    faults.push(`${id} was acknowledged (${entry.kind}), and is lost`)
    return
  }
  if (entry.kind === 'result') {
    const recorded = journal.last?.result === undefined ? undefined : decodePayload(journal.last.result)
    if (recorded !== entry.value) faults.push(`${id}: ${entry.value} was read, ${recorded} is recorded`)
  } else if (entry.call === 'signal') {
    const times = journal.requests.get(`go-${id}`) ?? 0
    if (times !== 1) faults.push(`${id}: an acknowledged signal is recorded ${times} times`)
  }
}

async function openExecutions(server: PostgresServer, database: string) {
  const rows = await server.query(
    "select workflow_id as id, status from perdure.execution where status <> 'completed' limit 20",
    [],
    database,
  )
  return rows as { id: string; status: string }[]
}

/** What is acknowledged between nodes takes a moment to be forgotten. */
async function leftOver(server: PostgresServer, database: string): Promise<string[]> {
  const endMs = performance.now() + FORGOTTEN_MS
  for (;;) {
    const left: string[] = []
    for (const table of ['outbox', 'task', 'timer']) {
      const [row] = await server.query(`select count(*)::int as n from perdure.${table}`, [], database)
      if (row?.n !== 0) left.push(`${row?.n} rows are left in ${table}`)
    }
    if (left.length === 0 || performance.now() > endMs) return left
    await sleep(50)
  }
}
