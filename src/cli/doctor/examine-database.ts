/** Doctor on a PostgreSQL database: its server, who lives on it, and the audit of all rows, of one moment. */
import { PerdureError } from '../../protocol/errors.ts'
import { DatabaseConnection } from '../../store/postgres/database-snapshot.ts'
import { messageOf } from '../../store/postgres/postgres-error.ts'
import type { CommandCall } from '../command.ts'
import { AuditProgress } from './audit-progress.ts'
import { type Check, ok, problem } from './check.ts'
import {
  type AskDatabase,
  databaseMs,
  indexCheck,
  partitionsCheck,
  replicationChecks,
  requestsCheck,
  schemaCheck,
  serverChecks,
  settingsCheck,
  vacuumChecks,
} from './database-checks.ts'
import { DatabaseRows } from './database-rows.ts'
import { auditStore, type FileAudit } from './file-audit.ts'
import { livenessChecks } from './liveness-checks.ts'
import { clockCheck } from './store-checks.ts'

export interface ExaminedDatabase {
  /** Without a password. */
  readonly name: string
  readonly checks: readonly Check[]
  /** Undefined if the database cannot be read as a store. */
  readonly audit: FileAudit | undefined
}

/** Errors: `STORE_INVALID` (the URL); what is wrong with the database is a check. */
export async function examineDatabase(call: CommandCall, url: string): Promise<ExaminedDatabase> {
  const connection = new DatabaseConnection(url)
  const { name } = connection
  const checks: Check[] = []
  try {
    const audit = await examine(call, connection, checks)
    return { name, checks, audit }
  } catch (error) {
    if (isInterruption(error)) throw error
    const advice =
      error instanceof PerdureError && error.code !== 'STORE_FAILED'
        ? error.hint
        : 'See that the server runs and can be reached, and that this user may read the schema perdure; then try again.'
    return { name, checks: [...checks, problem('database', messageOf(error), advice)], audit: undefined }
  } finally {
    await connection.close()
  }
}

async function examine(
  call: CommandCall,
  connection: DatabaseConnection,
  checks: Check[],
): Promise<FileAudit | undefined> {
  const ask: AskDatabase = (text, values = []) => connection.ask({ text, values })
  checks.push(...(await serverChecks(ask)), ...(await settingsCheck(ask)))
  const schema = await schemaCheck(ask)
  checks.push(schema)
  if (schema.level === 'problem') return undefined
  const { isRunning, checks: liveness } = await livenessChecks(ask)
  checks.push(...liveness, ...(await partitionsCheck(ask, isRunning)), ...(await indexCheck(ask)))
  checks.push(...(await requestsCheck(ask, isRunning)), ...(await vacuumChecks(ask)))
  checks.push(...(await replicationChecks(ask)))
  return audited(call, connection, checks, await databaseMs(ask))
}

/** Heard between two queries. */
const INTERRUPTED = 'interrupted'

function isInterruption(error: unknown): boolean {
  return error instanceof Error && (error.message === INTERRUPTED || isInterruption(error.cause))
}

async function audited(
  { output }: CommandCall,
  connection: DatabaseConnection,
  checks: Check[],
  nowMs: number,
): Promise<FileAudit> {
  const progress = new AuditProgress(output)
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort(new Error(INTERRUPTED))
  process.once('SIGINT', interrupt)
  try {
    const audit = await connection.snapshot((query) =>
      auditStore(new DatabaseRows(query), {
        onProgress: progress.update,
        nowMs,
        signal: interruption.signal,
      }),
    )
    checks.push(clockCheck(audit.clockFloorMs, nowMs))
    checks.push(ok('snapshot', 'all rows were read as they were at one moment'))
    return audit
  } finally {
    progress.clear()
    process.off('SIGINT', interrupt)
  }
}
