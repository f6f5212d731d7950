/** Schedules. Both indexes are partial: a paused schedule, and one that waits for nothing, cost them nothing. */
export const SCHEDULES = `
create table schedule (
  namespace text not null,
  id text not null,
  due_at integer,
  waits integer not null,
  spec text not null,
  state text not null,
  primary key (namespace, id)
) strict, without rowid;

create index schedule_due on schedule (due_at, namespace, id) where due_at is not null;
create index schedule_waits on schedule (namespace, id) where waits = 1;
`
