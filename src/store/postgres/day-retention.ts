/**
 * Drops the partitions of days whose executions have passed. See the migration for how one day is dropped, and what it waits for.
 *
 * What is to stay of a day is found by an index on its partition alone, made for it without a lock that anybody notices: the
 * lock for the drop is then held for milliseconds, however many executions the day has.
 */
import type { DayDropping } from '../contract/day-dropping.ts'
import type { Session } from '../contract/rows.ts'
import { codeOf, isOutage } from './postgres-error.ts'
import type { PostgresLink, Statement } from './postgres-link.ts'

const DAY_MS = 86_400_000
/** Executions of a day that are moved at most: about 20 ms, behind the lock. Of a day that has more, rows are deleted one by one. */
const MOST_KEPT = 1000
/** An index of a day with many executions, on a busy disk. */
const INDEX_MS = 600_000
const DROP_MS = 120_000
/** Another node has dropped the day, or makes the index too, in this moment: undefined table, duplicate name. */
const OF_OTHERS = ['42P01', '42P07', '23505', '42704']
/** Partitions of newer days are made again if they are missing. */
const DAYS_LEFT = 2

const DAYS = `
  select substr(relname, length('execution_') + 1)::int as day from pg_class join pg_namespace on pg_namespace.oid = relnamespace
  where nspname = 'perdure' and relkind = 'r' and relname ~ '^execution_[0-9]+$' order by day`

/** One node at a time: two that make and drop an index of one table get in each other's way. A claim of a dead node ends by itself. */
const CLAIM = `
  insert into perdure.day_dropping as t (claimed_until) values (clock_timestamp() + interval '15 minutes')
  on conflict (is_only) do update set claimed_until = excluded.claimed_until where t.claimed_until < clock_timestamp()
  returning 1`
const RELEASE = "update perdure.day_dropping set claimed_until = '-infinity'"

export async function dropDays(
  link: PostgresLink,
  { id, incarnation }: Session,
  closedBefore: number,
  nowMs: number,
): Promise<DayDropping> {
  const before = Math.floor(closedBefore)
  const end = Math.min(Math.floor(before / DAY_MS), Math.floor(nowMs / DAY_MS) - DAYS_LEFT)
  const { rows: claims } = await link.once({ text: CLAIM }, DROP_MS)
  if (claims.length === 0) return { dropped: [], isBlocked: true }
  try {
    return await dropEach(link, { id, incarnation }, before, end)
  } finally {
    await link.once({ text: RELEASE }, DROP_MS)
  }
}

async function dropEach(
  link: PostgresLink,
  { id, incarnation }: Session,
  before: number,
  end: number,
): Promise<DayDropping> {
  const { rows } = await link.once({ text: DAYS }, DROP_MS)
  const dropped: number[] = []
  let isBlocked = false
  for (const day of rows.map((row) => Number(row.day)).filter((each) => each < end)) {
    const values = [id, incarnation, day, before, MOST_KEPT]
    const outcome = await dropDay(link, day, before, values)
    if (outcome === 'fenced') break
    if (outcome === 'dropped') dropped.push(day)
    else if (outcome !== 'mixed') isBlocked = true
  }
  return { dropped, isBlocked }
}

/** `blocked`: somebody was in the way, another node perhaps, and nothing has happened. */
async function dropDay(
  link: PostgresLink,
  day: number,
  closedBefore: number,
  values: readonly unknown[],
): Promise<string> {
  try {
    await indexKept(link, day, closedBefore)
    const statement = { text: 'select perdure.drop_day($1, $2, $3, $4, $5) as outcome', values }
    const { rows } = await link.once(statement, DROP_MS)
    const outcome = String(rows[0]?.outcome)
    if (outcome !== 'dropped') await link.once(withoutIndex(day), DROP_MS)
    return outcome
  } catch (error) {
    if (isOutage(error) || OF_OTHERS.includes(codeOf(error) ?? '')) return 'blocked'
    throw error
  }
}

function withoutIndex(day: number): Statement {
  return { text: `drop index concurrently if exists perdure.execution_${day}_kept` }
}

/** One that was left by an attempt before may be invalid, or for another time. */
async function indexKept(link: PostgresLink, day: number, closedBefore: number): Promise<void> {
  await link.once(withoutIndex(day), DROP_MS)
  const text = `
    create index concurrently execution_${day}_kept on perdure.execution_${day} (run_id)
    where closed_at is null or closed_at >= ${closedBefore}`
  await link.once({ text }, INDEX_MS)
}
