/**
 * What is recorded of the uploads, read from the engine's SQLite file with plain SQL: while the engine runs, and after it
 * was killed. The engine is not asked, because its word is what the demo checks. Of a cluster: cluster-database.ts.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

export interface RecordedPart {
  readonly key: string
  readonly recordedAtMs: number
}

/** A task that is completed. */
export interface RecordedTask {
  /** The worker that completed it. */
  readonly worker: string
  /** From when the workflow asked for it to its first start. */
  readonly waitMs: number
  /** Attempts that failed. */
  readonly retries: number
}

export interface RecordedUpload {
  readonly status: string
  /** By number, those whose completion is recorded. */
  readonly parts: ReadonlyMap<number, RecordedPart>
  /** By operation of the execution. */
  readonly tasks: ReadonlyMap<number, RecordedTask>
  /** Why it failed. */
  readonly failure: string | undefined
}

/** By execution id. */
export type RecordedUploads = ReadonlyMap<string, RecordedUpload>

interface JournalEvent {
  readonly type: string
  readonly at: number
  readonly op?: number
  readonly name?: string
  readonly attempt?: number
  readonly startedAt?: number
  /** Of a task: a payload, whose last item is what the function gave. */
  readonly result?: readonly [format: number, codec: string, key: unknown, data: TaskResult]
  readonly failure?: Failure
}

interface TaskResult {
  readonly worker: string
  readonly part?: number
}

interface Failure {
  readonly message: string
  readonly cause?: Failure
}

export function readUploads(database: string): RecordedUploads {
  if (!existsSync(database)) return new Map()
  using file = new DatabaseSync(database, { readOnly: true, timeout: 10_000 })
  const sql = `
    select namespace, workflow_id, run_id, status, events from execution join journal using (day, run_id)
    order by day, run_id, seq`
  return uploadsOf(file.prepare(sql).iterate())
}

/** @param rows of the journal, those of an execution in their order */
export function uploadsOf(rows: Iterable<Readonly<Record<string, unknown>>>): RecordedUploads {
  const uploads = new Map<string, Reading>()
  for (const { namespace, workflow_id, run_id, status, events } of rows) {
    const id = String(workflow_id)
    const run = [namespace, id, run_id].map((part) => encodeURIComponent(String(part))).join('/')
    const upload = uploads.get(id) ?? new Reading(run, String(status))
    uploads.set(id, upload)
    for (const event of JSON.parse(String(events)) as JournalEvent[]) upload.add(event)
  }
  return uploads
}

class Reading implements RecordedUpload {
  readonly status: string
  readonly parts = new Map<number, RecordedPart>()
  readonly tasks = new Map<number, RecordedTask>()
  failure: string | undefined
  readonly #run: string
  readonly #scheduledAtMs = new Map<number, number>()

  constructor(run: string, status: string) {
    this.#run = run
    this.status = status
  }

  add(event: JournalEvent): void {
    const { type, at, op = 0, failure } = event
    if (type === 'execution-failed') this.failure = failure?.cause?.message ?? failure?.message
    if (type === 'task-scheduled') this.#scheduledAtMs.set(op, at)
    if (type === 'task-completed' && event.result !== undefined) this.#complete(event, op, event.result[3])
  }

  #complete({ at, name, attempt = 1, startedAt = at }: JournalEvent, op: number, result: TaskResult): void {
    const waitMs = startedAt - (this.#scheduledAtMs.get(op) ?? startedAt)
    this.tasks.set(op, { worker: result.worker, waitMs, retries: attempt - 1 })
    if (name === 'upload-part' && result.part !== undefined)
      this.parts.set(result.part, { key: `${this.#run}/${op}`, recordedAtMs: at })
  }
}
