/** What doctor asks SQLite: soundness of the file, schema, journal mode, the engine that has it, the clock. */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import { isFileLocked } from '../../store/sqlite/file-lock.ts'
import { SCHEMA_VERSION, schemaVersionOf } from '../../store/sqlite/migrate.ts'
import { durationText, relativeText, timeText } from '../time-text.ts'
import { type Check, note, ok, problem } from './check.ts'
import type { StoredSession } from './file-ownership.ts'

const RESTORE =
  'Stop the engine, keep a copy of the file, and restore a backup. Without one, `sqlite3 FILE .recover` saves what can be read.'
const SHOWN_LINES = 3
/** A step of the system's clock smaller than this is what time synchronisation does. */
const CLOCK_TOLERANCE_MS = 1000

export function integrityCheck(database: DatabaseSync, isQuick: boolean): Check {
  const pragma = isQuick ? 'quick_check' : 'integrity_check'
  try {
    const rows = database.prepare(`pragma ${pragma}(100)`).all()
    const lines = rows.map((row) => String(row[pragma]))
    if (lines.length === 1 && lines[0] === 'ok') return ok('integrity', `SQLite's ${pragma} finds no fault`)
    const more = lines.length > SHOWN_LINES ? ` … and ${lines.length - SHOWN_LINES} more` : ''
    return problem('integrity', `${pragma}: ${lines.slice(0, SHOWN_LINES).join('; ')}${more}`, RESTORE)
  } catch (error) {
    return unreadable('integrity', error)
  }
}

/** SQLite reads what is missing of the last page as zeroes. While an engine writes, a page may be half there. */
export function sizeCheck(database: DatabaseSync, file: string): Check[] {
  const pageBytes = Number(database.prepare('pragma page_size').get()?.page_size)
  const { size } = statSync(file)
  if (size % pageBytes === 0 || isFileLocked(file)) return []
  return [problem('size', `the file ends within a page: it was cut off after ${size} bytes`, RESTORE)]
}

export function unreadable(name: string, error: unknown): Check {
  const why = error instanceof Error ? error.message : String(error)
  if (error instanceof PerdureError && error.code !== 'STORE_CORRUPT') return problem(name, why, error.hint)
  return problem(name, why, RESTORE)
}

export function schemaCheck(database: DatabaseSync, file: string): Check {
  const newest = `this program knows versions up to ${SCHEMA_VERSION}`
  try {
    const version = schemaVersionOf(database, file)
    if (version === 0)
      return problem('schema', 'the file is empty', 'Start an engine on it, or correct the path.')
    if (version === SCHEMA_VERSION) return ok('schema', `version ${version}, the newest`)
    return problem(
      'schema',
      `version ${version}, and ${newest}`,
      'Stop the engine, copy the file as a backup, and start an engine of this version of perdure once: it migrates the file.',
    )
  } catch (error) {
    return unreadable('schema', error)
  }
}

export function journalModeCheck(database: DatabaseSync): Check {
  const mode = database.prepare('pragma journal_mode').get()?.journal_mode
  if (mode === 'wal') return ok('journal mode', 'wal')
  return problem(
    'journal mode',
    `${mode} instead of wal`,
    'Another program changed it. It returns to wal when an engine starts; until then commits are slower and readers wait.',
  )
}

/** Which engine has the file. */
export function engineCheck(file: string, session: StoredSession | undefined, nowMs: number): Check {
  if (isFileLocked(file)) {
    if (session === undefined || session.isFenced) return ok('engine', 'an engine is starting')
    const since = `since ${timeText(session.heartbeatAt)} (${relativeText(session.heartbeatAt, nowMs)})`
    return ok('engine', `${session.node} runs on the file, session ${session.id}, ${since}`)
  }
  if (session === undefined) return note('engine', 'no engine has ever run on the file')
  return note('engine', `no engine runs on the file; the last one was ${session.node}, session ${session.id}`)
}

export function clockCheck(clockFloorMs: number, nowMs: number): Check {
  if (clockFloorMs === 0) return ok('clock', 'nothing was committed yet')
  const behindMs = clockFloorMs - nowMs
  const last = `the last commit was at ${timeText(clockFloorMs)}`
  if (behindMs <= CLOCK_TOLERANCE_MS)
    return ok('clock', `${last}, ${durationText(Math.max(0, -behindMs))} ago`)
  return problem(
    'clock',
    `${last}, which is ${durationText(behindMs)} in the future: the clock of this machine was set back`,
    'Correct the clock. Nothing is lost: the engine never goes back in time, but until then its time stands still and timers fire late.',
  )
}
