/**
 * Nodes that share a database: how far the messages of one shard to another have been applied, and a small number that no two
 * living sessions have in common. Rows of `inbox` are updated again and again, in place.
 */
export const CLUSTERS = `
alter table perdure.session add column slot integer;

create unique index session_slot on perdure.session (slot) where fenced_at is null;

create table perdure.inbox (
  to_shard integer not null,
  from_shard integer not null,
  last_seq bigint not null,
  primary key (to_shard, from_shard)
) with (fillfactor = 50);
`
