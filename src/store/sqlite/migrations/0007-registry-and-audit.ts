/**
 * Administrative objects, and the audit trail. `audit_dropped` has the last row of each beginning of a chain that was dropped;
 * the rest is verified from there.
 */
export const REGISTRY_AND_AUDIT = `
create table registry (
  kind text not null,
  namespace text not null,
  id text not null,
  revision integer not null,
  changed_at integer not null,
  request text not null,
  body text,
  primary key (kind, namespace, id)
) strict;

create table audit (
  session integer not null,
  seq integer not null,
  at integer not null,
  namespace text not null,
  entry text not null,
  hash text not null,
  personal text,
  primary key (session, seq)
) strict, without rowid;

create index audit_at on audit (at);

create table audit_dropped (
  session integer primary key,
  seq integer not null,
  hash text not null
) strict;

create table audit_head (
  number integer primary key,
  at integer not null,
  body text not null,
  signature text not null,
  key_id text not null
) strict;
`
