/**
 * Tasks. The row is kept under its number, which rises with time: new rows go to the end. The indexes are partial: a task
 * that was given no id, does not wait, or has nothing due, costs its index nothing.
 */
export const TASKS = `
create table task (
  seq integer not null primary key,
  namespace text not null,
  id text,
  queue text not null,
  part integer not null,
  name text not null,
  status text not null,
  lane text not null,
  rank real not null,
  due_at integer,
  closed_at integer,
  spec text not null,
  state text
) strict;

create unique index task_id on task (namespace, id) where id is not null;
create index task_waiting on task (namespace, queue, part, lane, rank, seq) where status = 'waiting';
create index task_due on task (due_at, seq) where due_at is not null;
`
