/**
 * Partitions of executions and of their journal, one for each day of start, made ahead of time. What starts on a day that
 * has none is in the default partition: slower to remove, nothing else.
 */
import { EXECUTION_DAY_SETTINGS } from './migrations/0004-retention.ts'
import type { PostgresLink } from './postgres-link.ts'

const DAY_MS = 86_400_000
/** Days before and after today: clocks of nodes may differ, and a node may sleep over midnight. */
const BEFORE = 1
const AFTER = 2
const TABLES = ['execution', 'journal'] as const

/** Makes those that are missing around `nowMs`. Nodes that do it at the same time wait for each other. */
export async function ensureDayPartitions(link: PostgresLink, nowMs: number): Promise<void> {
  const today = Math.floor(nowMs / DAY_MS)
  const days = Array.from({ length: BEFORE + AFTER + 1 }, (_, index) => today - BEFORE + index)
  const names = days.flatMap((day) => TABLES.map((table) => `perdure.${table}_${day}`))
  const missing = {
    text: `
      select name from unnest($1::text[]) as name where not exists (
      select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where nspname || '.' || relname = name)`,
  }
  const { rows } = await link.once({ ...missing, values: [names] }, 10_000)
  if (rows.length === 0) return
  await link.transaction(async (query) => {
    await query({ text: 'lock table perdure.execution in share update exclusive mode' })
    for (const { name } of await query({ ...missing, values: [names] }))
      await makePartition(query, String(name))
  })
}

async function makePartition(query: (s: { text: string }) => Promise<unknown>, name: string): Promise<void> {
  const [, table, digits] = /^perdure\.([a-z]+)_(-?\d+)$/.exec(name) ?? []
  if (table === undefined || digits === undefined) throw new Error(`no partition is named ${name}`)
  const day = Number(digits)
  // Rows of that day that are in the default partition already make it stay there.
  const probe = (await query({
    text: `select exists (select from perdure.${table}_rest where day = ${day}) as is_used`,
  })) as { is_used: boolean }[]
  if (probe[0]?.is_used === true) return
  const settings = table === 'execution' ? `with (${EXECUTION_DAY_SETTINGS})` : ''
  // Attached, since `create table … partition of` would lock the whole table against everybody.
  await query({ text: `create table ${name} (like perdure.${table} including defaults) ${settings}` })
  await query({
    text: `alter table perdure.${table} attach partition ${name} for values from (${day}) to (${day + 1})`,
  })
}
