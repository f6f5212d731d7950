/**
 * What is recorded of the uploads, read from the engine's SQLite file with plain SQL: while the engine runs, and after it
 * was killed. The engine is not asked, because its word is what the demo checks.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

export interface RecordedPart {
  readonly key: string
  readonly recordedAtMs: number
}

export interface RecordedUpload {
  readonly status: string
  /** By number, those whose completion is recorded. */
  readonly parts: ReadonlyMap<number, RecordedPart>
  /** Attempts of steps that failed. */
  readonly retries: number
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
  readonly failure?: { readonly message: string }
}

export function readUploads(database: string): RecordedUploads {
  const uploads = new Map<string, Reading>()
  if (!existsSync(database)) return uploads
  using file = new DatabaseSync(database, { readOnly: true, timeout: 10_000 })
  const sql = `
    select namespace, workflow_id, run_id, status, events from execution join journal using (day, run_id)
    order by day, run_id, seq`
  for (const { namespace, workflow_id, run_id, status, events } of file.prepare(sql).iterate()) {
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
  retries = 0
  failure: string | undefined
  readonly #run: string

  constructor(run: string, status: string) {
    this.#run = run
    this.status = status
  }

  add({ type, at, op, name = '', failure }: JournalEvent): void {
    if (type === 'step-attempt-failed') this.retries += 1
    if (type === 'execution-failed') this.failure = failure?.message
    const part = type === 'step-completed' ? /^part (\d+)$/.exec(name) : null
    if (part !== null) this.parts.set(Number(part[1]), { key: `${this.#run}/${op}`, recordedAtMs: at })
  }
}
