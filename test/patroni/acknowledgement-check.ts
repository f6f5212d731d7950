/**
 * Holds what callers were told against the database, with plain SQL and nothing of the product: all of it is there, as it was
 * told; journals are whole; nothing is recorded twice.
 */
import { addOne, expectedOf, parentOf } from '../postgres/cluster-workload.ts'
import { type Acknowledged, SIGNAL_VALUE } from './acknowledged-work.ts'

export type Query = (
  sql: string,
  values?: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>

export interface Checked {
  readonly runs: number
  readonly events: number
  /** What is wrong; nothing if all is well. */
  readonly faults: readonly string[]
}

export interface CheckOptions {
  /** What is acknowledged between nodes takes a moment to be forgotten: how long it may, ms. Default 10,000. */
  readonly leftoversMs?: number
}

interface JournalEvent {
  readonly type: string
  readonly op?: unknown
  readonly result?: unknown
  readonly input?: unknown
  readonly name?: string
  readonly payload?: unknown
}

interface Run {
  readonly runId: string
  readonly workflowId: string
  readonly workflow: string
  readonly status: string
}

const PAGE = 1000
const TERMINAL = /^execution-(completed|failed|cancelled|terminated|timed-out|continued)$/
const COMPLETION = /^(step|child|task)-(completed|failed)$|^timer-fired$/

export async function checkAcknowledged(
  query: Query,
  started: ReadonlyMap<string, Acknowledged>,
  { leftoversMs = 10_000 }: CheckOptions = {},
): Promise<Checked> {
  const faults: string[] = []
  const found = new Set<string>()
  let runs = 0
  let events = 0
  for await (const [run, journal] of runsOf(query, faults)) {
    runs += 1
    events += journal.length
    const report = (what: string): void => {
      faults.push(`${run.workflowId} (${run.runId}): ${what}`)
    }
    checkJournal(run, journal, report)
    if (run.workflow !== parentOf.name) {
      if (run.workflow !== addOne.name) report(`is of the workflow ${run.workflow}`)
      continue
    }
    if (found.has(run.workflowId)) report('there is another run of this id')
    found.add(run.workflowId)
    const acknowledged = started.get(run.workflowId)
    if (acknowledged !== undefined) checkAnswers(journal, acknowledged, report)
  }
  for (const id of started.keys()) if (!found.has(id)) faults.push(`${id}: acknowledged, and lost`)
  faults.push(...(await leftovers(query, leftoversMs)))
  return { runs, events, faults }
}

async function* runsOf(query: Query, faults: string[]): AsyncGenerator<[Run, JournalEvent[]]> {
  for (let after = ''; ; ) {
    const rows = await query(
      `select run_id, workflow_id, workflow, status from perdure.execution where run_id > $1 order by run_id limit ${PAGE}`,
      [after],
    )
    if (rows.length === 0) return
    const ids = rows.map((row) => String(row.run_id))
    const journals = await journalsOf(query, ids, faults)
    for (const row of rows) {
      const runId = String(row.run_id)
      const run = { workflowId: String(row.workflow_id), workflow: String(row.workflow), runId }
      yield [{ ...run, status: String(row.status) }, journals.get(runId) ?? []]
    }
    after = ids.at(-1) ?? ''
  }
}

async function journalsOf(
  query: Query,
  runIds: readonly string[],
  faults: string[],
): Promise<Map<string, JournalEvent[]>> {
  const journals = new Map<string, JournalEvent[]>()
  const rows = await query(
    'select run_id, seq, count, epoch, events from perdure.journal where run_id = any ($1) order by run_id, seq',
    [runIds],
  )
  const epochs = new Map<string, number>()
  for (const row of rows) {
    const runId = String(row.run_id)
    const journal = journals.get(runId) ?? []
    journals.set(runId, journal)
    const events = JSON.parse(String(row.events)) as JournalEvent[]
    if (Number(row.seq) !== journal.length + 1 || Number(row.count) !== events.length)
      faults.push(`${runId}: entry ${row.seq} of ${row.count} events follows event ${journal.length}`)
    const epoch = Number(row.epoch)
    if (epoch < (epochs.get(runId) ?? 0)) faults.push(`${runId}: entry ${row.seq} is of an earlier owner`)
    epochs.set(runId, epoch)
    journal.push(...events)
  }
  return journals
}

function checkJournal(run: Run, journal: readonly JournalEvent[], report: (what: string) => void): void {
  if (journal[0]?.type !== 'execution-started') report(`its first event is ${journal[0]?.type}`)
  const ends = journal.filter(({ type }) => TERMINAL.test(type))
  if (ends.length !== 1 || ends[0] !== journal.at(-1) || ends[0]?.type !== 'execution-completed')
    report(`ended with ${ends.map(({ type }) => type).join() || 'nothing'}`)
  if (run.status !== 'completed') report(`its summary says ${run.status}`)
  const completed = new Set<unknown>()
  for (const { type, op } of journal) {
    if (!COMPLETION.test(type)) continue
    if (completed.has(op)) report(`operation ${op} is recorded twice`)
    completed.add(op)
  }
}

function checkAnswers(
  journal: readonly JournalEvent[],
  { value, isSignalled, result }: Acknowledged,
  report: (what: string) => void,
): void {
  if (payloadValue(journal[0]?.input) !== value) report(`started with ${JSON.stringify(journal[0]?.input)}`)
  const signals = journal.filter(({ type }) => type === 'signal-received')
  if (isSignalled && signals.length !== 1) report(`${signals.length} signals, and one was acknowledged`)
  if (result === undefined) return
  const recorded = payloadValue(journal.at(-1)?.result)
  if (recorded !== result || result !== expectedOf(value, SIGNAL_VALUE))
    report(`its result was told as ${result}, and is recorded as ${recorded}`)
}

/** Of a payload: a list whose fourth element is the value. */
function payloadValue(payload: unknown): unknown {
  return Array.isArray(payload) ? payload[3] : undefined
}

async function leftovers(query: Query, limitMs: number): Promise<string[]> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const faults: string[] = []
    for (const table of ['outbox', 'task', 'timer']) {
      const [row] = await query(`select count(*)::int as n from perdure.${table}`)
      if (row?.n !== 0) faults.push(`${row?.n} rows are left in ${table}`)
    }
    if (faults.length === 0 || performance.now() >= endMs) return faults
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
