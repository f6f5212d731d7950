/** SQL: ms since 1970, by the clock of the database, when it is evaluated. */
export const DATABASE_MS = '(extract(epoch from clock_timestamp()) * 1000)::int8'

/**
 * Says that the session lives, unless it is fenced: then it answers nothing. `$1` its id, `$2` its incarnation, `$3` whether it is
 * about to leave. See the migration for why this is a table of its own.
 */
export const BEAT = `
  insert into perdure.heartbeat as t (session_id, at, draining)
  select id, ${DATABASE_MS}, $3::boolean from perdure.session
  where id = $1 and incarnation = $2 and fenced_at is null
  on conflict (session_id) do update set at = greatest(t.at + 1, excluded.at), draining = excluded.draining
  returning session_id`

/** Of the session that is called so: also as a version before that table has it. */
export function heartbeatOf(session: string): string {
  return `greatest(${session}.heartbeat_at, (select at from perdure.heartbeat where session_id = ${session}.id))`
}
