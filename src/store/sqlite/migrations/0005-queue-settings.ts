/** Settings of queues that were changed at run time. */
export const QUEUE_SETTINGS = `
create table queue_setting (
  namespace text not null,
  queue text not null,
  revision integer not null,
  setting text not null,
  primary key (namespace, queue)
) strict, without rowid;
`
