/**
 * The first schema: the rows of the SQLite store, in a schema of their own.
 *
 * 1. Texts that are compared or ordered have the collation "C": the order of their UTF-8 bytes, in any database.
 * 2. The day of a run's start leads the keys of `execution` and `journal`, which are partitioned by it: retention drops a
 *    day instead of deleting its rows. A day that has no partition of its own is in the default one.
 * 3. A guarded statement ends in `perdure.guard`: a guard that merely found nothing would let the rest of it commit.
 */
export const FIRST_SCHEMA = `
create table perdure.meta (
  key text collate "C" not null primary key,
  value bigint not null
);

create table perdure.session (
  id bigint not null generated always as identity primary key,
  incarnation text not null,
  node text not null,
  address text,
  weight double precision not null default 1,
  draining boolean not null default false,
  heartbeat_at bigint not null,
  fenced_at bigint
);

create index session_living on perdure.session (id) where fenced_at is null;

create table perdure.leader (
  is_only boolean not null default true primary key check (is_only),
  session_id bigint not null,
  term bigint not null
);

create table perdure.commit (
  session_id bigint not null,
  seq bigint not null,
  at bigint not null,
  primary key (session_id, seq)
);

create table perdure.shard (
  id integer not null primary key,
  session_id bigint,
  epoch bigint not null
);

create table perdure.execution (
  day integer not null,
  run_id text collate "C" not null,
  namespace text collate "C" not null,
  workflow_id text collate "C" not null,
  shard integer not null,
  workflow text collate "C" not null,
  version text collate "C" not null,
  status text collate "C" not null,
  active boolean not null,
  started_at bigint not null,
  closed_at bigint,
  attributes text,
  primary key (day, run_id)
) partition by range (day);

create table perdure.execution_rest partition of perdure.execution default;

create index execution_recoverable on perdure.execution (day, run_id)
  where status = 'parked' or (status = 'running' and active);

create table perdure.journal (
  day integer not null,
  run_id text collate "C" not null,
  seq integer not null,
  epoch bigint not null,
  format smallint not null default 1,
  count integer not null,
  events text not null,
  primary key (day, run_id, seq)
) partition by range (day);

create table perdure.journal_rest partition of perdure.journal default;

create table perdure.current (
  namespace text collate "C" not null,
  workflow_id text collate "C" not null,
  day integer not null,
  run_id text collate "C" not null,
  primary key (namespace, workflow_id)
);

create table perdure.timer (
  day integer not null,
  run_id text collate "C" not null,
  timer integer not null,
  due_at bigint not null,
  shard integer not null,
  primary key (day, run_id, timer)
);

create index timer_due on perdure.timer (due_at, run_id, timer);

create table perdure.outbox (
  from_shard integer not null,
  to_shard integer not null,
  seq bigint not null,
  message text not null,
  primary key (from_shard, to_shard, seq)
);

create table perdure.task (
  seq bigint not null primary key,
  namespace text collate "C" not null,
  id text collate "C",
  queue text collate "C" not null,
  part integer not null,
  name text collate "C" not null,
  status text collate "C" not null,
  lane text collate "C" not null,
  rank double precision not null,
  due_at bigint,
  closed_at bigint,
  dedupe text collate "C",
  spec text not null,
  state text
);

create unique index task_id on perdure.task (namespace, id) where id is not null;
create index task_waiting on perdure.task (namespace, queue, part, lane, rank, seq) where status = 'waiting';
create index task_due on perdure.task (due_at, seq) where due_at is not null;
create index task_dedupe on perdure.task (namespace, dedupe, seq) where dedupe is not null;
create index task_failed on perdure.task (seq) where status = 'failed';

create table perdure.schedule (
  namespace text collate "C" not null,
  id text collate "C" not null,
  due_at bigint,
  waits boolean not null,
  spec text not null,
  state text not null,
  primary key (namespace, id)
);

create index schedule_due on perdure.schedule (due_at, namespace, id) where due_at is not null;
create index schedule_waits on perdure.schedule (namespace, id) where waits;

create table perdure.queue_setting (
  namespace text collate "C" not null,
  queue text collate "C" not null,
  revision bigint not null,
  setting text not null,
  primary key (namespace, queue)
);

create table perdure.human_task (
  run_id text collate "C" not null,
  op integer not null,
  namespace text collate "C" not null,
  workflow_id text collate "C" not null,
  rank text collate "C" not null,
  offers text not null,
  summary text not null,
  primary key (run_id, op)
);

create table perdure.human_offer (
  namespace text collate "C" not null,
  inbox text collate "C" not null,
  rank text collate "C" not null,
  run_id text collate "C" not null,
  op integer not null,
  primary key (namespace, inbox, rank, run_id, op)
);

create index human_offer_task on perdure.human_offer (run_id, op);

create function perdure.guard(sessions bigint) returns boolean language plpgsql as $$
begin
  if sessions is distinct from 1 then
    raise exception 'the session is fenced' using errcode = 'PD001';
  end if;
  return true;
end
$$;
`
