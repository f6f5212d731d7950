/**
 * The first schema. The day of a run's start leads the key of all its rows, so that a later store can keep a day apart;
 * tables without rowid keep a row in its key's tree, which saves the second tree that a rowid table needs.
 *
 * `timer` is keyed by what a drop knows, (run, timer), and paged through its index by due time.
 * `execution_recoverable` holds only what recovery loads, so that sleeping and closed executions cost it nothing.
 */
export const FIRST_SCHEMA = `
create table meta (
  key text not null primary key,
  value any not null
) strict, without rowid;

create table session (
  id integer not null primary key,
  incarnation text not null,
  node text not null,
  address text,
  heartbeat_at integer not null,
  fenced_at integer
) strict;

create table "commit" (
  session_id integer not null,
  seq integer not null,
  at integer not null,
  primary key (session_id, seq)
) strict, without rowid;

create table shard (
  id integer not null primary key,
  session_id integer,
  epoch integer not null
) strict;

create table execution (
  day integer not null,
  run_id text not null,
  namespace text not null,
  workflow_id text not null,
  shard integer not null,
  workflow text not null,
  version text not null,
  status text not null,
  active integer not null,
  started_at integer not null,
  closed_at integer,
  attributes text,
  primary key (day, run_id)
) strict, without rowid;

create index execution_recoverable on execution (day, run_id)
  where status = 'parked' or (status = 'running' and active = 1);

create table current (
  namespace text not null,
  workflow_id text not null,
  day integer not null,
  run_id text not null,
  primary key (namespace, workflow_id)
) strict, without rowid;

create table journal (
  day integer not null,
  run_id text not null,
  seq integer not null,
  epoch integer not null,
  format integer not null,
  count integer not null,
  events text not null,
  primary key (day, run_id, seq)
) strict, without rowid;

create table timer (
  day integer not null,
  run_id text not null,
  timer integer not null,
  due_at integer not null,
  shard integer not null,
  primary key (day, run_id, timer)
) strict, without rowid;

create index timer_due on timer (due_at, run_id, timer, shard);

create table outbox (
  from_shard integer not null,
  to_shard integer not null,
  seq integer not null,
  message text not null,
  primary key (from_shard, to_shard, seq)
) strict, without rowid;
`
