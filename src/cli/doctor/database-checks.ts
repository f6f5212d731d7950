/** What doctor asks a PostgreSQL server: settings that break a promise, who lives, what is in the way of vacuum, what fills the disk. */
import { SCHEMA_VERSION } from '../../store/postgres/migrate.ts'
import type { Row } from '../../store/postgres/postgres-link.ts'
import { durationText } from '../time-text.ts'
import { type Check, note, ok, problem } from './check.ts'
import { sizeText } from './environment-checks.ts'

export type AskDatabase = (text: string, values?: readonly unknown[]) => Promise<Row[]>

const LEAST_VERSION = 14
const OLD_TRANSACTION_MS = 10 * 60_000
const WAITING_REQUEST_MS = 60_000
const RETAINED_BYTES = 1024 * 1024 * 1024
/** Of 2.1 billion, after which PostgreSQL takes no more transactions. */
const OLD_TRANSACTION_IDS = 1_000_000_000
const DEAD_ROWS = 100_000
const DAY_MS = 86_400_000

export async function serverChecks(ask: AskDatabase): Promise<Check[]> {
  const [row = {}] = await ask(`
    select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text,
      current_setting('server_encoding') as encoding, pg_is_in_recovery() as is_standby,
      pg_database_size(current_database())::int8 as bytes, age(datfrozenxid)::int8 as xid_age
    from pg_database where datname = current_database()`)
  const kind = row.is_standby === true ? ', a standby' : ''
  const checks: Check[] = [
    Number(row.version) >= LEAST_VERSION * 10_000
      ? ok('server', `PostgreSQL ${row.version_text}${kind}, the database has ${sizeText(Number(row.bytes))}`)
      : problem('server', `PostgreSQL ${row.version_text}`, `Upgrade it to ${LEAST_VERSION} or newer.`),
  ]
  if (row.encoding !== 'UTF8')
    checks.push(problem('encoding', `${row.encoding}`, "Make a database with encoding 'UTF8'."))
  if (Number(row.xid_age) > OLD_TRANSACTION_IDS)
    checks.push(
      problem(
        'transaction ids',
        `the oldest is ${row.xid_age} transactions old; at 2.1 billion the server takes no more`,
        'Find what keeps vacuum from freezing rows: old transactions, prepared transactions, replication slots. Then run vacuum.',
      ),
    )
  return checks
}

interface Rule {
  readonly setting: string
  readonly isFine: (value: string) => boolean
  readonly why: string
  readonly advice: string
}

const RULES: readonly Rule[] = [
  {
    setting: 'fsync',
    isFine: (value) => value === 'on',
    why: 'after a crash of the machine the database may be unusable, and acknowledged work is lost',
    advice: 'Set fsync = on.',
  },
  {
    setting: 'full_page_writes',
    isFine: (value) => value === 'on',
    why: 'a crash in the middle of a write damages the page for good',
    advice: 'Set full_page_writes = on, unless the file system writes pages as a whole, as ZFS does.',
  },
  {
    setting: 'synchronous_commit',
    isFine: (value) => value !== 'off',
    why: 'acknowledged work is lost with a crash, so no engine opens',
    advice: 'Set it to on for this user and this database.',
  },
  {
    setting: 'zero_damaged_pages',
    isFine: (value) => value === 'off',
    why: 'damaged rows are dropped without a word',
    advice: 'Set it to off.',
  },
  {
    setting: 'ignore_checksum_failure',
    isFine: (value) => value === 'off',
    why: 'damaged pages are read as if they were sound',
    advice: 'Set it to off.',
  },
  {
    setting: 'autovacuum',
    isFine: (value) => value === 'on',
    why: 'dead rows are never removed',
    advice: 'Set autovacuum = on.',
  },
]

export async function settingsCheck(ask: AskDatabase): Promise<Check[]> {
  const names = RULES.map(({ setting }) => setting)
  const rows = await ask(
    'select name, current_setting(name, true) as value from unnest($1::text[]) as name',
    [names],
  )
  // Some are seen by administrators only; without a value there is nothing to say.
  const values = new Map(
    rows.map(({ name, value }) => [String(name), value === null ? undefined : String(value)]),
  )
  const wrong = RULES.flatMap(({ setting, isFine, why, advice }) => {
    const value = values.get(setting)
    return value === undefined || isFine(value)
      ? []
      : [problem(setting, `${setting} is ${value}: ${why}`, advice)]
  })
  return wrong.length > 0 ? wrong : [ok('settings', 'what is acknowledged is on disk')]
}

/** The version, and a check of it; the audit knows the newest only. */
export async function schemaCheck(ask: AskDatabase): Promise<Check> {
  const [found] = await ask(`
    select exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = 'perdure' and relname = 'meta') as is_there`)
  if (found?.is_there !== true)
    return problem(
      'schema',
      'the database holds no perdure store',
      'Start an engine on it, or correct the URL.',
    )
  const [row] = await ask("select value from perdure.meta where key = 'schema_version'")
  const version = Number(row?.value)
  if (version === SCHEMA_VERSION) return ok('schema', `version ${version}, the newest`)
  return version > SCHEMA_VERSION
    ? problem(
        'schema',
        `version ${version}, and this program knows versions up to ${SCHEMA_VERSION}`,
        'Use the version of perdure that made it, or a newer one, also of this command.',
      )
    : problem(
        'schema',
        `version ${version}, and the newest is ${SCHEMA_VERSION}`,
        'Start an engine of this version of perdure once: it migrates the database.',
      )
}

export async function indexCheck(ask: AskDatabase): Promise<Check[]> {
  const rows = await ask(`
    select relname from pg_index join pg_class on pg_class.oid = indexrelid
    join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'perdure' and not (indisvalid and indisready) order by relname`)
  if (rows.length === 0) return []
  const names = rows.map(({ relname }) => relname).join(', ')
  return [problem('indexes', `not valid: ${names}`, 'Run `reindex index perdure.NAME` for each.')]
}

export async function partitionsCheck(ask: AskDatabase, isRunning: boolean): Promise<Check[]> {
  const today = Math.floor((await databaseMs(ask)) / DAY_MS)
  const [row = {}] = await ask(
    `select array(
       select t || '_' || day from unnest(array['execution', 'journal']) as t, unnest($1::int4[]) as day
       where not exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where nspname = 'perdure' and relname = t || '_' || day)) as missing,
     exists (select from perdure.execution_rest) or exists (select from perdure.journal_rest) as is_rest_used`,
    [[today, today + 1]],
  )
  const missing = row.missing as readonly string[]
  const checks: Check[] = []
  if (missing.length > 0 && isRunning)
    checks.push(
      problem(
        'partitions',
        `of today or tomorrow are missing: ${missing.join(', ')}`,
        'Look at the log of the engine: its user needs the right to create tables in the schema perdure.',
      ),
    )
  if (row.is_rest_used === true)
    checks.push(
      note(
        'partitions',
        'some executions are in the default partition',
        'Nothing is lost; they are slower to remove.',
      ),
    )
  return checks.length > 0 || !isRunning ? checks : [ok('partitions', 'there for today and tomorrow')]
}

export async function databaseMs(ask: AskDatabase): Promise<number> {
  const [row] = await ask('select (extract(epoch from clock_timestamp()) * 1000)::int8 as now')
  return Number(row?.now)
}

export async function requestsCheck(ask: AskDatabase, isRunning: boolean): Promise<Check[]> {
  const [row = {}] = await ask(`
    select count(*) filter (where failed_at is not null) as failed, count(*) filter (where failed_at is null) as waiting,
      (extract(epoch from clock_timestamp() - min(requested_at) filter (where failed_at is null
        and attempts = 0 and claimed_by is null)) * 1000)::int8 as oldest_ms
    from perdure.request`)
  const checks: Check[] = []
  const [failed, waiting, oldestMs] = [Number(row.failed), Number(row.waiting), Number(row.oldest_ms ?? 0)]
  if (failed > 0)
    checks.push(
      note(
        'requests',
        `${failed} have failed for good`,
        'select id, error from perdure.request where failed_at is not null says why.',
      ),
    )
  if (isRunning && oldestMs > WAITING_REQUEST_MS)
    checks.push(
      problem(
        'requests',
        `of ${waiting} that wait one has waited for ${durationText(oldestMs)}, and no engine has looked at it`,
        'Look at the log of the engines: they take requests in ten times a second.',
      ),
    )
  else if (waiting > 0) checks.push(note('requests', `${waiting} wait for an engine`))
  return checks
}

/** What keeps dead rows, and what has many. Of the transactions of other users only administrators see the age. */
export async function vacuumChecks(ask: AskDatabase): Promise<Check[]> {
  const old = await ask(
    `select pid, application_name, (extract(epoch from clock_timestamp() - xact_start) * 1000)::int8 as ms
     from pg_stat_activity where pid <> pg_backend_pid() and xact_start < clock_timestamp() - $1 * interval '1 ms'
       and backend_type = 'client backend'
     union all
     select null, 'prepared transaction ' || gid, (extract(epoch from clock_timestamp() - prepared) * 1000)::int8
     from pg_prepared_xacts where prepared < clock_timestamp() - $1 * interval '1 ms'
     order by ms desc limit 5`,
    [OLD_TRANSACTION_MS],
  )
  const checks = old.map(({ pid, application_name, ms }) =>
    note(
      'transactions',
      `${pid === null ? '' : `process ${pid}, `}${application_name || 'without a name'}: open for ${durationText(Number(ms))}`,
      'While it is open no dead row of its time is removed. End it if nobody needs it.',
    ),
  )
  const dead = await ask(
    `select relname, n_dead_tup::int8 as dead, n_live_tup::int8 as live from pg_stat_all_tables
     where schemaname = 'perdure' and n_dead_tup > $1 and n_dead_tup > n_live_tup order by n_dead_tup desc limit 5`,
    [DEAD_ROWS],
  )
  for (const { relname, dead: count, live } of dead)
    checks.push(
      note(
        'dead rows',
        `${relname}: ${count}, and ${live} live ones`,
        'Look for old transactions and replication slots; `vacuum perdure.NAME` removes them.',
      ),
    )
  return checks
}

export async function replicationChecks(ask: AskDatabase): Promise<Check[]> {
  const slots = await ask(`
    select slot_name, active, wal_status,
      pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
        restart_lsn)::int8 as bytes
    from pg_replication_slots order by slot_name`)
  return slots.flatMap(({ slot_name, active, wal_status, bytes }) => {
    const retained = Number(bytes ?? 0)
    if (wal_status === 'lost')
      return [
        problem(
          'replication slot',
          `${slot_name} has lost the log that it needs`,
          'Its standby must be made anew; then drop the slot.',
        ),
      ]
    if (active === true || retained < RETAINED_BYTES) return []
    return [
      problem(
        'replication slot',
        `${slot_name} is not used, and keeps ${sizeText(retained)} of the log on disk`,
        "Start its standby, or drop it: select pg_drop_replication_slot('NAME'). A full disk stops the database.",
      ),
    ]
  })
}
