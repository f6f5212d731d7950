/**
 * Nodes that share a database: how far the messages of one shard to another have been applied, and a small number that no two
 * living sessions have in common. Rows of `inbox` and `heartbeat` are updated again and again, in place.
 *
 * A heartbeat is not in the row of its session: each batch locks that, and would wait for the heartbeat. A batch that has waited
 * so crashes PostgreSQL 18.4: the row is looked at again, which there breaks the pruning of partitions in the same statement.
 */
export const CLUSTERS = `
alter table perdure.session add column slot integer;

create unique index session_slot on perdure.session (slot) where fenced_at is null;

create table perdure.heartbeat (
  session_id bigint not null primary key,
  at bigint not null,
  draining boolean not null default false
) with (fillfactor = 50);

create table perdure.inbox (
  to_shard integer not null,
  from_shard integer not null,
  last_seq bigint not null,
  primary key (to_shard, from_shard)
) with (fillfactor = 50);
`
