/**
 * Administrative objects, and the audit trail. Tables of their own: nodes of the version before, which go on beside newer ones for a
 * while, do not know them and do not touch them.
 *
 * 1. All nodes ask twice a second for the number of objects and the sum of their revisions, which are read from an index alone.
 * 2. `audit_dropped` has the last row of each beginning of a chain that was dropped; the rest is verified from there.
 */
export const REGISTRY_AND_AUDIT = `
create table perdure.registry (
  kind text collate "C" not null,
  namespace text collate "C" not null,
  id text collate "C" not null,
  revision bigint not null,
  changed_at bigint not null,
  request text not null,
  body text,
  primary key (kind, namespace, id)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);

create index registry_revision on perdure.registry (revision);
create index registry_changed on perdure.registry (changed_at);

create table perdure.audit (
  session bigint not null,
  seq bigint not null,
  at bigint not null,
  namespace text collate "C" not null,
  entry text not null,
  hash text collate "C" not null,
  personal text,
  primary key (session, seq)
);

create index audit_at on perdure.audit (at);

create table perdure.audit_dropped (
  session bigint not null primary key,
  seq bigint not null,
  hash text collate "C" not null
);

create table perdure.audit_head (
  number bigint not null primary key,
  at bigint not null,
  body text not null,
  signature text not null,
  key_id text collate "C" not null
);
`
