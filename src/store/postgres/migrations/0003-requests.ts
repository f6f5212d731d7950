/**
 * Requests from the transactions of users: a row is there if and only if the transaction has committed. Engines take them in.
 *
 * 1. `id` gives the order within a transaction only: ids do not commit in their order, so nobody reads from an id on.
 * 2. `claimed_by` works on it until `claimed_until`; without it, `claimed_until` is when it is tried again. The claim is committed
 *    before the work begins: no transaction is open meanwhile.
 * 3. What has `failed_at` is left alone, until `failed_at` is null again.
 * 4. The functions run with the rights of their owner, and may be called by nobody else unless it is granted.
 */
export const REQUESTS = `
create table perdure.request (
  id bigint not null generated always as identity primary key,
  kind text collate "C" not null check (kind in ('start', 'signal', 'task')),
  namespace text collate "C" not null,
  target text collate "C" not null,
  name text collate "C" not null,
  payload jsonb,
  payload_bytes integer not null,
  options jsonb not null,
  requested_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  claimed_by bigint,
  claimed_until timestamptz,
  failed_at timestamptz,
  error text collate "C"
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create index request_open on perdure.request (id) where failed_at is null;
create index request_target on perdure.request (namespace, target, id) where failed_at is null;

create function perdure.require_name(what text, name text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $body$
begin
  if name is null then
    raise exception '% is null', what using errcode = '22023';
  elsif name = '' then
    raise exception '% is empty', what using errcode = '22023';
  elsif octet_length(name) > 512 then
    raise exception '% is longer than 512 bytes', what using errcode = '22023';
  end if;
end
$body$;

create function perdure.require_duration(what text, ms bigint) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $body$
begin
  if ms < 0 or ms > 8640000000000000 then
    raise exception '% is %, not a number of milliseconds from 0 on', what, ms using errcode = '22023';
  end if;
end
$body$;

create function perdure.start_workflow(
  workflow text,
  input jsonb default null,
  id text default null,
  version text default '1',
  namespace text default 'default',
  delay_ms bigint default null,
  timeout_ms bigint default null,
  attributes jsonb default null
) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp as $body$
#variable_conflict use_variable
declare
  workflow_id text := coalesce(id, gen_random_uuid()::text);
begin
  perform perdure.require_name('workflow', workflow);
  perform perdure.require_name('id', workflow_id);
  perform perdure.require_name('version', version);
  perform perdure.require_name('namespace', namespace);
  perform perdure.require_duration('delay_ms', delay_ms);
  perform perdure.require_duration('timeout_ms', timeout_ms);
  if jsonb_typeof(attributes) <> 'object' then
    raise exception 'attributes is no JSON object' using errcode = '22023';
  end if;
  insert into perdure.request (kind, namespace, target, name, payload, payload_bytes, options) values (
    'start', namespace, workflow_id, workflow, input, coalesce(octet_length(input::text), 0),
    jsonb_strip_nulls(jsonb_build_object('version', version, 'delayMs', delay_ms, 'timeoutMs', timeout_ms))
      || case when attributes is null then '{}' else jsonb_build_object('attributes', attributes) end);
  return workflow_id;
end
$body$;

create function perdure.signal_workflow(
  id text,
  signal text,
  payload jsonb default null,
  namespace text default 'default',
  request_id text default null
) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp as $body$
#variable_conflict use_variable
declare
  given_id text := coalesce(request_id, gen_random_uuid()::text);
begin
  perform perdure.require_name('id', id);
  perform perdure.require_name('signal', signal);
  perform perdure.require_name('namespace', namespace);
  perform perdure.require_name('request_id', given_id);
  insert into perdure.request (kind, namespace, target, name, payload, payload_bytes, options) values (
    'signal', namespace, id, signal, payload, coalesce(octet_length(payload::text), 0),
    jsonb_build_object('requestId', given_id));
  return given_id;
end
$body$;

create function perdure.enqueue_task(
  task text,
  input jsonb default null,
  queue text default null,
  id text default null,
  priority integer default null,
  key text default null,
  delay_ms bigint default null,
  namespace text default 'default',
  max_attempts integer default null,
  timeout_ms bigint default null
) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp as $body$
#variable_conflict use_variable
declare
  task_id text := coalesce(id, gen_random_uuid()::text);
begin
  perform perdure.require_name('task', task);
  perform perdure.require_name('id', task_id);
  perform perdure.require_name('queue', coalesce(queue, 'default'));
  perform perdure.require_name('key', coalesce(key, 'default'));
  perform perdure.require_name('namespace', namespace);
  perform perdure.require_duration('delay_ms', delay_ms);
  perform perdure.require_duration('timeout_ms', timeout_ms);
  if starts_with(task_id, '~') then
    raise exception 'id begins with ''~'', which ids that perdure makes do' using errcode = '22023';
  end if;
  if priority < 0 or priority > 9 then
    raise exception 'priority is %, not a number from 0 to 9 (the most urgent)', priority using errcode = '22023';
  end if;
  if max_attempts < 1 then
    raise exception 'max_attempts is %, not a number of 1 or more', max_attempts using errcode = '22023';
  end if;
  insert into perdure.request (kind, namespace, target, name, payload, payload_bytes, options) values (
    'task', namespace, task_id, task, input, coalesce(octet_length(input::text), 0),
    jsonb_strip_nulls(jsonb_build_object('queue', queue, 'priority', priority, 'key', key, 'delayMs', delay_ms,
      'maxAttempts', max_attempts, 'timeoutMs', timeout_ms)));
  return task_id;
end
$body$;

revoke execute on function perdure.start_workflow, perdure.signal_workflow, perdure.enqueue_task from public;
`
