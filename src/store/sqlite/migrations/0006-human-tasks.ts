/** Open human tasks, and the inboxes that each is in, in the order in which these are listed. */
export const HUMAN_TASKS = `
create table human_task (
  run_id text not null,
  op integer not null,
  namespace text not null,
  workflow_id text not null,
  rank text not null,
  offers text not null,
  summary text not null,
  primary key (run_id, op)
) strict, without rowid;

create table human_offer (
  namespace text not null,
  inbox text not null,
  rank text not null,
  run_id text not null,
  op integer not null,
  primary key (namespace, inbox, rank, run_id, op)
) strict, without rowid;

create index human_offer_task on human_offer (run_id, op);
`
