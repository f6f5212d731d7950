/** What a PostgreSQL server spends: bytes of its write-ahead log, and time of its processes. */
import { readdirSync, readFileSync } from 'node:fs'
import type { PostgresServer } from '../test/postgres/server.ts'

export interface DatabaseCost {
  readonly walBytes: number
  /** Microseconds of CPU time of all its processes. */
  readonly cpuMicros: number
}

/** Linux counts CPU time in hundredths of a second. */
const TICK_MICROS = 10_000
/** Fields of /proc/PID/stat behind the name of the program, which ends with the last parenthesis: proc(5). */
const PARENT = 1
const USER_TIME = 11

export async function databaseCost(server: PostgresServer): Promise<DatabaseCost> {
  const [row] = await server.query("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes")
  return { walBytes: Number(row?.bytes), cpuMicros: cpuMicrosOf(server.pid) }
}

export function costPerStep(before: DatabaseCost, after: DatabaseCost, steps: number): DatabaseCost {
  return {
    walBytes: (after.walBytes - before.walBytes) / steps,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / steps,
  }
}

/** Of the process and its children, those that have ended too. */
function cpuMicrosOf(pid: number): number {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(name)
    const isOwn = Number(name) === pid
    if (!isOwn && Number(fields[PARENT]) !== pid) continue
    const times = fields.slice(USER_TIME, USER_TIME + (isOwn ? 4 : 2))
    for (const time of times) ticks += Number(time)
  }
  return ticks * TICK_MICROS
}

/** Empty for a process that has ended. */
function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
