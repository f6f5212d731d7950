/**
 * Reads everything in a store file with plain SQL and its own parsing. It imports nothing of the product, so that a fault
 * of the product's own reading cannot hide itself.
 */
import { DatabaseSync } from 'node:sqlite'

export interface FileEvent {
  readonly seq: number
  readonly type: string
  readonly at: number
  readonly [field: string]: unknown
}

export interface FileRun {
  readonly runId: string
  readonly namespace: string
  readonly workflowId: string
  readonly workflow: string
  readonly status: string
  readonly active: boolean
  readonly startedAt: number
  readonly closedAt: number | null
  readonly attributes: unknown
  readonly events: readonly FileEvent[]
}

export interface FileContents {
  readonly runs: ReadonlyMap<string, FileRun>
  /** Newest run of each workflow id. */
  readonly currents: ReadonlyMap<string, string>
  readonly timers: readonly { readonly runId: string; readonly timer: number; readonly dueAt: number }[]
  readonly outboxRows: number
  /** Damage seen while reading: gaps, wrong counts, rows without a run, what SQLite itself reports. */
  readonly damage: readonly string[]
}

export function readStoreFile(file: string): FileContents {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const damage: string[] = []
    for (const { integrity_check: line } of database.prepare('pragma integrity_check(20)').all()) {
      if (line !== 'ok') damage.push(`SQLite: ${line}`)
    }
    const journals = readJournals(database, damage)
    const runs = new Map<string, FileRun>()
    for (const row of database.prepare('select * from execution').all()) {
      const runId = String(row.run_id)
      const events = journals.get(runId)
      if (events === undefined) damage.push(`run ${runId} has no journal`)
      runs.set(runId, {
        runId,
        namespace: String(row.namespace),
        workflowId: String(row.workflow_id),
        workflow: String(row.workflow),
        status: String(row.status),
        active: row.active === 1,
        startedAt: Number(row.started_at),
        closedAt: row.closed_at === null ? null : Number(row.closed_at),
        attributes: row.attributes === null ? null : JSON.parse(String(row.attributes)),
        events: events ?? [],
      })
    }
    for (const runId of journals.keys()) {
      if (!runs.has(runId)) damage.push(`the journal of run ${runId} has no summary`)
    }
    const currents = new Map<string, string>()
    for (const row of database.prepare('select * from current').all())
      currents.set(String(row.workflow_id), String(row.run_id))
    const timers = database
      .prepare('select * from timer')
      .all()
      .map((row) => ({ runId: String(row.run_id), timer: Number(row.timer), dueAt: Number(row.due_at) }))
    const outboxRows = Number(database.prepare('select count(*) as n from outbox').get()?.n)
    return { runs, currents, timers, outboxRows, damage }
  } finally {
    database.close()
  }
}

function readJournals(database: DatabaseSync, damage: string[]): Map<string, FileEvent[]> {
  const journals = new Map<string, FileEvent[]>()
  const rows = database.prepare('select run_id, seq, count, events from journal order by run_id, seq')
  for (const row of rows.iterate()) {
    const runId = String(row.run_id)
    const journal = journals.get(runId) ?? []
    journals.set(runId, journal)
    const events = JSON.parse(String(row.events)) as Omit<FileEvent, 'seq'>[]
    if (events.length !== Number(row.count))
      damage.push(`run ${runId}: entry ${row.seq} says ${row.count} events and holds ${events.length}`)
    if (Number(row.seq) !== journal.length + 1)
      damage.push(`run ${runId}: entry ${row.seq} follows event ${journal.length}`)
    for (const event of events) journal.push({ ...event, seq: journal.length + 1 } as FileEvent)
  }
  return journals
}
