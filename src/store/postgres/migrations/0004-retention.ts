/** Of each partition of executions: a day never has more than a twentieth of dead rows for long. */
export const EXECUTION_DAY_SETTINGS =
  'autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000'

/**
 * When vacuum comes to tables whose rows change or go. Of an execution with two steps, a sleep and a task (20,000 measured) its
 * summary leaves four dead rows, the timer and the task one each; journal and newest runs leave none. The server's own setting, a
 * fifth of the table, would let a million sleeping timers collect 200,000 dead rows, all of them at the front of the index that
 * is read for what is due next. `commit` has a few thousand rows, all of which go.
 */
const AUTOVACUUM = `
alter table perdure.timer set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
alter table perdure.task set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
alter table perdure.outbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
alter table perdure.commit set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
do $body$
declare
  part text;
begin
  for part in select inhrelid::regclass::text from pg_inherits where inhparent = 'perdure.execution'::regclass loop
    execute format('alter table %s set (${EXECUTION_DAY_SETTINGS})', part);
  end loop;
end
$body$;
`

/**
 * Retention by days: a day whose executions have passed is dropped whole; what is to stay is moved to the default partition,
 * where it has the same key.
 *
 * 1. All of it is one transaction of one statement: there is no moment between move and drop, and no lock that outlives a
 *    client that stands still.
 * 2. Commits and reads are held up only from the exclusive lock on, which is waited for at most 100 ms: by then the newest runs
 *    of ids are deleted, and what is to stay is counted. What stays is looked up again behind the lock, when no batch is under
 *    way; if a run was reopened meanwhile, nothing happens.
 * 3. Whatever is in the way ends it (lock timeouts are shorter than `deadlock_timeout`): it is tried again later.
 * 4. Journals of moved runs go on in the default partition. A batch that goes on with a run that is gone, of a day in
 *    `dropped_day`, is refused there, as
 *    is one of a program of an earlier version.
 */
export const RETENTION = `
${AUTOVACUUM}
create table perdure.dropped_day (
  day integer not null primary key,
  dropped_at timestamptz not null default clock_timestamp()
);

create table perdure.day_dropping (
  is_only boolean not null default true primary key check (is_only),
  claimed_until timestamptz not null
);

create function perdure.require_journal() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp as $body$
begin
  if exists (select from perdure.dropped_day where day = new.day) and not exists (
    select from perdure.journal_rest where day = new.day and run_id = new.run_id and seq < new.seq
  ) then
    raise exception 'run % was deleted', new.run_id using errcode = '23503';
  end if;
  return new;
end
$body$;

create trigger require_journal before insert on perdure.journal_rest
  for each row when (new.seq > 1 and current_setting('perdure.is_moving', true) is distinct from 'yes') execute function perdure.require_journal();

create function perdure.drop_day(
  session bigint,
  given_incarnation text,
  day integer,
  closed_before bigint,
  most_kept bigint
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $body$
#variable_conflict use_variable
declare
  stays text := format('(closed_at is null or closed_at >= %s)', closed_before);
  kept_before text[];
  kept text[];
  journal_rows bigint;
begin
  if not pg_try_advisory_xact_lock(1348825700, 7696999) then
    return 'busy';
  end if;
  -- Not locked, so that no fence waits for us: what is deleted here may be deleted by anybody.
  perform from perdure.session where id = session and incarnation = given_incarnation and fenced_at is null;
  if not found then
    return 'fenced';
  end if;
  if to_regclass(format('perdure.execution_%s', day)) is null then
    return 'none';
  end if;
  -- Vacuum gives way after a second; readers and batches do not notice these locks. Whoever makes partitions does.
  perform set_config('lock_timeout', '3s', true);
  execute format(
    'lock table only perdure.execution, perdure.journal, perdure.execution_%1$s, perdure.journal_%1$s,
      perdure.execution_rest, perdure.journal_rest in share update exclusive mode', day);
  perform set_config('lock_timeout', '100ms', true);

  execute format('select coalesce(array_agg(run_id), ''{}'') from (
    select run_id from perdure.execution_%s where %s limit %s) as open', day, stays, most_kept + 1) into kept_before;
  if cardinality(kept_before) > most_kept then
    return 'mixed';
  end if;
  execute format('select count(*) from perdure.journal_%s where day = $1 and run_id = any ($2)', day)
    into journal_rows using day, kept_before;
  if journal_rows > 10 * most_kept then
    return 'mixed';
  end if;

  execute format('delete from perdure.current as t using perdure.execution_%s as old
    where not %s and t.namespace = old.namespace and t.workflow_id = old.workflow_id and t.run_id = old.run_id',
    day, stays);
  execute format('delete from perdure.timer as t using perdure.execution_%s as old
    where not %s and t.day = $1 and old.day = $1 and t.run_id = old.run_id', day, stays) using day;

  -- Journal first, as batches do.
  lock table only perdure.journal in access exclusive mode;
  lock table only perdure.execution in access exclusive mode;
  execute format('select coalesce(array_agg(run_id), ''{}'') from perdure.execution_%s where %s', day, stays)
    into kept;
  if exists (select unnest(kept) except select unnest(kept_before)) then
    raise exception 'a run of day % was reopened', day using errcode = '55P03';
  end if;
  execute format('alter table perdure.journal detach partition perdure.journal_%s', day);
  execute format('alter table perdure.execution detach partition perdure.execution_%s', day);
  execute format('insert into perdure.execution (day, run_id, namespace, workflow_id, shard, workflow, version, status, active,
      started_at, closed_at, attributes)
    select day, run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at, closed_at, attributes
    from perdure.execution_%s where day = $1 and run_id = any ($2)', day) using day, kept;
  perform set_config('perdure.is_moving', 'yes', true);
  execute format('insert into perdure.journal (day, run_id, seq, epoch, format, count, events)
    select day, run_id, seq, epoch, format, count, events
    from perdure.journal_%s where day = $1 and run_id = any ($2)', day) using day, kept;
  execute 'insert into perdure.dropped_day (day) values ($1) on conflict do nothing' using day;
  execute format('drop table perdure.journal_%1$s, perdure.execution_%1$s', day);
  return 'dropped';
end
$body$;

revoke execute on function perdure.drop_day from public;
`
