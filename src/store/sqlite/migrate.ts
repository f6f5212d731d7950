/**
 * Brings a file to the newest schema, step by step, each step in a transaction of its own with its new version number.
 *
 * 1. A file of a newer schema is refused untouched.
 * 2. A file that another application made is refused untouched.
 * 3. Released migrations are never changed; a new schema is a new step at the end.
 */
import type { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import { FIRST_SCHEMA } from './migrations/0001-first-schema.ts'
import { TASKS } from './migrations/0002-tasks.ts'
import { TASK_KEYS } from './migrations/0003-task-keys.ts'
import { SCHEDULES } from './migrations/0004-schedules.ts'
import { QUEUE_SETTINGS } from './migrations/0005-queue-settings.ts'
import { HUMAN_TASKS } from './migrations/0006-human-tasks.ts'
import { REGISTRY_AND_AUDIT } from './migrations/0007-registry-and-audit.ts'
import { OPEN_COUNTS } from './migrations/0008-open-counts.ts'

/** "Perd": tells our files from those of other applications. */
const APPLICATION_ID = 0x50657264

/** Step n - 1 leads from schema version n - 1 to n. */
const MIGRATIONS: readonly string[] = [
  FIRST_SCHEMA,
  TASKS,
  // One a line: steps that are made at the same time then merge without a conflict in one line.
  TASK_KEYS,
  SCHEDULES,
  QUEUE_SETTINGS,
  HUMAN_TASKS,
  REGISTRY_AND_AUDIT,
  OPEN_COUNTS,
]

export const SCHEMA_VERSION = MIGRATIONS.length

/** The schema version of a file, 0 if it is empty. Throws if it is not ours, or newer than this program. */
export function schemaVersionOf(database: DatabaseSync, file: string): number {
  const version = pragma(database, 'user_version')
  const applicationId = pragma(database, 'application_id')
  const objects = Number(database.prepare('select count(*) as n from sqlite_schema').get()?.n)
  if (applicationId === 0 && version === 0 && objects === 0) return 0
  if (applicationId !== APPLICATION_ID) {
    throw new PerdureError('STORE_INVALID', `${file} is a SQLite database of another application`)
  }
  if (version > SCHEMA_VERSION) {
    const detail = `${file} has schema version ${version}, this program knows versions up to ${SCHEMA_VERSION}`
    throw new PerdureError('STORE_NEWER', detail)
  }
  return version
}

/** `shards` is written into a new file only: the number of shards never changes. */
export function migrate(database: DatabaseSync, file: string, shards: number): void {
  let version = schemaVersionOf(database, file)
  while (version < SCHEMA_VERSION) {
    const sql = MIGRATIONS[version] ?? ''
    version++
    database.exec('begin immediate')
    try {
      database.exec(sql)
      if (version === 1) seed(database, shards)
      database.exec(`pragma user_version = ${version}; pragma application_id = ${APPLICATION_ID}`)
      database
        .prepare(
          "insert into meta values ('schema_version', ?) on conflict do update set value = excluded.value",
        )
        .run(version)
      database.exec('commit')
    } catch (error) {
      // A full disk has rolled back already. Before Node 22.16 nobody can tell: then closing the connection rolls back.
      if (database.isTransaction) database.exec('rollback')
      throw error
    }
  }
}

function seed(database: DatabaseSync, shards: number): void {
  database.prepare("insert into meta values ('shards', ?), ('clock_floor', 0)").run(shards)
  const insert = database.prepare('insert into shard (id, session_id, epoch) values (?, null, 0)')
  for (let id = 0; id < shards; id++) insert.run(id)
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`pragma ${name}`).get()?.[name])
}
