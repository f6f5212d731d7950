/**
 * Reads a store file for tools, also while an engine runs on it: no lock is taken, nothing is written into it, and the
 * engine never waits for it. SQLite may leave its `-wal` and `-shm` files behind, which the next engine takes over.
 */
import { existsSync } from 'node:fs'
import { PerdureError } from '../../protocol/errors.ts'
import { type RunId, runDay } from '../../protocol/ids.ts'
import type { ExecutionRow, TimerKey, TimerRow } from '../contract/rows.ts'
import type { LaterRows, StoreReader } from '../contract/store-reader.ts'
import { isFileLocked } from './file-lock.ts'
import { FileReads, type ReadMethods } from './file-reads.ts'
import { schemaVersionOf } from './migrate.ts'
import { EXECUTION_COLUMNS, executionOf } from './sqlite-reads.ts'
import { attempt, resolveFile } from './store-file.ts'
import { openForTool, type ToolConnection } from './tool-connection.ts'

export interface SqliteReader extends ReadMethods, StoreReader {
  readonly file: string
  readonly schemaVersion: number
  /** What SQLite finds wrong with the file, at most 100 lines; empty if it is sound. Reads the whole file. */
  integrityCheck(): readonly string[]
  /** All summaries in order of run id, read page by page: later pages see later commits. */
  runs(): IterableIterator<ExecutionRow>
  /** Runs that have journal entries and no summary, which is never so in a sound file. */
  runsWithoutSummary(limit: number): readonly RunId[]
}

const PAGE_ROWS = 500

/** Schema versions since which rows can be read. */
const READ_FROM: Readonly<Record<LaterRows, number>> = {
  tasks: 3,
  schedules: 4,
  queues: 5,
  'human tasks': 6,
  registry: 7,
  audit: 7,
}

/** Errors: `STORE_INVALID` (no file, or not a store), `STORE_NEWER`, `STORE_CORRUPT`, `STORE_FAILED`. */
export function openSqliteReader(path: string): SqliteReader {
  const file = resolveFile(path)
  if (!existsSync(file)) throw new PerdureError('STORE_INVALID', `There is no file ${file}`)
  return attempt(file, () => {
    const connection = openForTool(file)
    try {
      const schemaVersion = schemaVersionOf(connection.database, file)
      if (schemaVersion === 0) throw new PerdureError('STORE_INVALID', `${file} is empty`)
      return new FileReader(file, connection, schemaVersion)
    } catch (error) {
      connection.close()
      throw error
    }
  })
}

class FileReader extends FileReads implements SqliteReader {
  readonly schemaVersion: number
  private readonly connection: ToolConnection
  private closed = false

  constructor(file: string, connection: ToolConnection, schemaVersion: number) {
    super(file, connection.database)
    this.connection = connection
    this.schemaVersion = schemaVersion
  }

  integrityCheck(): readonly string[] {
    try {
      const rows = this.read(() => this.reading.prepare('pragma integrity_check(100)').all())
      const lines = rows.map((row) => String(row.integrity_check))
      return lines.length === 1 && lines[0] === 'ok' ? [] : lines
    } catch (error) {
      // Some damage ends the check itself, which is an answer too.
      if (error instanceof PerdureError && error.code === 'STORE_CORRUPT') return [error.message]
      throw error
    }
  }

  *runs(): IterableIterator<ExecutionRow> {
    const page = this.reading.prepare(`
      select day, ${EXECUTION_COLUMNS} from execution where (day, run_id) > (?, ?) order by day, run_id limit ?`)
    let day = Number.MIN_SAFE_INTEGER
    let runId = ''
    while (true) {
      const rows = this.read(() => page.all(day, runId, PAGE_ROWS))
      for (const row of rows) {
        day = Number(row.day)
        runId = String(row.run_id)
        yield executionOf(row)
      }
      if (rows.length < PAGE_ROWS) return
    }
  }

  runsWithoutSummary(limit: number): readonly RunId[] {
    const sql = `
      select distinct day, run_id from journal
      where not exists (select 1 from execution where execution.day = journal.day and execution.run_id = journal.run_id)
      order by day, run_id limit ?`
    return this.read(() => this.reading.prepare(sql).all(limit)).map((row) => row.run_id as RunId)
  }

  lacks(rows: LaterRows): string | undefined {
    const from = READ_FROM[rows]
    if (this.schemaVersion >= from) return undefined
    return `the file has schema version ${this.schemaVersion}, and ${rows} are read from version ${from} on`
  }

  async isEngineRunning(): Promise<boolean> {
    return isFileLocked(this.file)
  }

  async timersOf(runId: RunId): Promise<readonly (TimerKey & Pick<TimerRow, 'dueAt'>)[]> {
    const sql = 'select timer, due_at from timer where day = ? and run_id = ? order by timer'
    const rows = this.read(() => this.reading.prepare(sql).all(runDay(runId), runId))
    return rows.map((row) => ({ runId, timer: Number(row.timer), dueAt: Number(row.due_at) }))
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.connection.close()
  }

  protected override isClosed(): boolean {
    return this.closed
  }

  /** What can still be read of a damaged file is worth reading. */
  protected override onFailure(): void {}
}
