/** Fills a database with many executions of the last 30 days, by SQL alone: the mix is that of a busy shop. */
import pg from 'pg'
import type { PostgresServer } from '../test/postgres/server.ts'

export const PLAN_DAYS = 30
const DAY_MS = 86_400_000
/** As many connections fill at the same time. */
const LANES = 2

/** A run id of a time (ms) and a number, as `runIdOf` makes them: 10 characters of time, 16 that are as good as random. */
const RUN_ID = `
  create function pg_temp.run_id(ms bigint, n bigint) returns text language sql immutable as $$
    select string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((ms >> (5 * place)) & 31)::int + 1, 1), '' order by place desc)
      || substr(upper(md5(n::text)), 1, 16)
    from generate_series(0, 9) as place
  $$`

/** One in 1,000 waits for a signal or sleeps, one in 10,000 runs, as many are parked; of the others one in 100 has failed. */
const executionsOf = (day: number, from: number, count: number, stepMs: number): string => `
  insert into perdure.execution_${day}
  select ${day}, pg_temp.run_id(ms, n), case n % 20 when 0 then 'eu' else 'default' end, 'order-' || n,
    ('x' || substr(md5('order-' || n), 1, 2))::bit(8)::int, (array['fulfil-order', 'invoice', 'ship', 'refund'])[n % 4 + 1], '1',
    case when n % 10000 = 1 then 'running' when n % 10000 = 2 then 'parked' when n % 1000 = 3 then 'running'
      when n % 100 = 4 then 'failed' else 'completed' end,
    n % 10000 = 1, ms, case when n % 10000 in (1, 2) or n % 1000 = 3 then null else ms + 60000 end,
    case when n % 5 = 0 then '{"region":"' || (array['north', 'south', 'east', 'west'])[n % 4 + 1] || '","total":' || n % 1000 || '}' end
  from (select n::bigint, (${day} * ${DAY_MS}::bigint + (n - ${from}) * ${stepMs}::float8)::bigint as ms
    from generate_series(${from}, ${from + count - 1}) as n) as runs`

/** Two entries of each: its start and first steps; its other steps and the end. */
const journalOf = (day: number): string => `
  insert into perdure.journal_${day} (day, run_id, seq, epoch, count, events)
  select day, run_id, 4 * part + 1, 1, 4, '[' || repeat('{"type":"step-completed","at":1764374400000,"op":1,"result":"charged"},', 3) ||
    '{"type":"step-completed","at":1764374400000,"op":2,"result":"' || run_id || '"}]'
  from perdure.execution_${day}, generate_series(0, 1) as part order by run_id, part`

const currentsOf = (day: number): string => `
  insert into perdure.current select namespace, workflow_id, day, run_id from perdure.execution_${day}`

const timersOf = (day: number): string => `
  insert into perdure.timer select day, run_id, 1, started_at + 40 * ${DAY_MS}::bigint, shard
  from perdure.execution_${day} where status = 'running' and not active`

/** A hundredth as many tasks, nine in ten of them closed. */
const tasks = (count: number): string => `
  insert into perdure.task (seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe, spec)
  select n, 'default', case when n % 3 = 0 then 'task-' || n end, 'queue-' || n % 10, 0, 'mail',
    case when n % 10 = 1 then 'waiting' when n % 500 = 2 then 'failed' else 'completed' end, 'lane-' || n % 3, n,
    case when n % 100 = 1 then n + 1764374400000 end, case when n % 10 <> 1 then n + 1764374400000 end,
    case when n % 7 = 0 then 'mail key-' || n end, '{"input":"a letter of some length, as letters are"}'
  from generate_series(1, ${count}) as n`

const desk = (count: number): readonly string[] => [
  `insert into perdure.human_task select 'run-' || n, 1, 'default', 'order-' || n, lpad(n::text, 12, '0'), '["group:g' || n % 50 || '"]', '{}'
    from generate_series(1, ${count}) as n`,
  `insert into perdure.human_offer select 'default', 'group:g' || n % 50, lpad(n::text, 12, '0'), 'run-' || n, 1
    from generate_series(1, ${count}) as n`,
  `insert into perdure.schedule select 'default', 'schedule-' || n, 1764374400000 + n, n % 50 = 0, '{}', '{}'
    from generate_series(1, ${Math.max(10, Math.round(count / 10))}) as n`,
]

export interface Filled {
  readonly firstDay: number
  readonly perDay: number
}

/** The schema is there; partitions are made. */
export async function fillForPlans(
  server: PostgresServer,
  database: string,
  executions: number,
  progress: (text: string) => void,
): Promise<Filled> {
  const perDay = Math.ceil(executions / PLAN_DAYS)
  const firstDay = Math.floor(Date.now() / DAY_MS) - PLAN_DAYS + 1
  for (let day = firstDay; day < firstDay + PLAN_DAYS; day++)
    for (const table of ['execution', 'journal']) {
      await server.query(
        `create table if not exists perdure.${table}_${day} (like perdure.${table} including defaults)`,
        [],
        database,
      )
      await server
        .query(
          `alter table perdure.${table} attach partition perdure.${table}_${day} for values from (${day}) to (${day + 1})`,
          [],
          database,
        )
        .catch((error: Error) => {
          // Those of yesterday and today are there already.
          if (!error.message.includes('is already a partition')) throw error
        })
    }
  const days = Array.from({ length: PLAN_DAYS }, (_, index) => index)
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      const client = new pg.Client({ connectionString: server.url(database) })
      await client.connect()
      try {
        await client.query(RUN_ID)
        for (let index = days.shift(); index !== undefined; index = days.shift()) {
          const day = firstDay + index
          const stepMs = DAY_MS / perDay
          for (const sql of [
            executionsOf(day, index * perDay + 1, perDay, stepMs),
            journalOf(day),
            currentsOf(day),
            timersOf(day),
          ])
            await client.query(sql)
          progress(`plans: day ${index + 1} of ${PLAN_DAYS}`)
        }
      } finally {
        await client.end()
      }
    }),
  )
  const count = Math.max(1000, Math.round(executions / 100))
  for (const sql of [tasks(count), ...desk(Math.round(count / 10))]) await server.query(sql, [], database)
  await server.query('vacuum analyze', [], database)
  return { firstDay, perDay }
}
