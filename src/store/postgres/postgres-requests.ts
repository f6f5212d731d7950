/** Requests from the transactions of users. See the migration for the functions that make them. */
import type { RequestClaim, RequestReport, RequestStore, WorkRequest } from '../contract/request-store.ts'
import type { PostgresLink, Row, Statement } from './postgres-link.ts'

const ANSWER_MS = 10_000
/** Long: when a node is lost its session is fenced, and that ends its claims at once. */
const LEASE = "interval '30 seconds'"
const PAGE_BYTES = 8 * 1024 * 1024
const ERROR_CHARACTERS = 4000

/** The rows of the same target as `each` that come before it and are open. */
const EARLIER = `
  select from perdure.request as earlier
  where earlier.namespace = each.namespace and earlier.target = each.target and earlier.id < each.id
    and earlier.failed_at is null`

/**
 * `free`: rows that nobody works on. Those that wait for an earlier one of their target are passed over twice: by what their row
 * says, so that they do not fill the page, and because a row that is locked, or was claimed since the statement began, is
 * not in `free`. A claim of our own that we know nothing of got lost with its answer.
 */
const CLAIM = `
  with free as materialized (
    select id, namespace, target, payload_bytes from perdure.request as each
    where failed_at is null and not (id = any ($2::int8[]))
      and (claimed_until is null or claimed_until <= clock_timestamp() or claimed_by = $1
        or claimed_by is not null and not exists (
          select from perdure.session where session.id = each.claimed_by and fenced_at is null))
      and not exists (${EARLIER} and earlier.claimed_until > clock_timestamp() and earlier.claimed_by is distinct from $1)
    order by id limit $3 for update of each skip locked
  ), page as (
    select id from (
      select *, sum(payload_bytes) over (order by id) - payload_bytes as bytes_before from free) as each
    where bytes_before < ${PAGE_BYTES}
      and not exists (${EARLIER} and not exists (select from free where free.id = earlier.id))
  )
  update perdure.request as t
  set claimed_by = $1, claimed_until = clock_timestamp() + ${LEASE}, attempts = attempts + 1 from page
  where t.id = page.id
  returning t.id, kind, namespace, target, name, options, attempts, payload_bytes > $4 as is_too_large,
    case when payload_bytes <= $4 then payload::text end as payload`

const REPORT = `
  with done as (
    delete from perdure.request where id = any ($2::int8[])
  ), failed as (
    update perdure.request as t set failed_at = clock_timestamp(), error = given.error, claimed_by = null, claimed_until = null
    from unnest($3::int8[], $4::text[]) as given (id, error) where t.id = given.id and claimed_by = $1
  )
  update perdure.request as t
  set claimed_by = null, claimed_until = clock_timestamp() + given.delay_ms * interval '1 ms',
    attempts = attempts - (given.error is null)::int, error = coalesce(given.error, t.error)
  from unnest($5::int8[], $6::int8[], $7::text[]) as given (id, delay_ms, error)
  where t.id = given.id and claimed_by = $1`

export class PostgresRequests implements RequestStore {
  readonly #link: PostgresLink

  constructor(link: PostgresLink) {
    this.#link = link
  }

  async claim({ session, held, limit, payloadBytes }: RequestClaim): Promise<readonly WorkRequest[]> {
    // As text it has spaces that do not count.
    const most = Math.min(2 * payloadBytes + 1024, 2 ** 31 - 1)
    const rows = await this.#ask({
      name: 'claim requests',
      text: CLAIM,
      values: [session, held, limit, most],
    })
    return rows
      .map((row): WorkRequest => {
        return {
          id: Number(row.id),
          // The one cast: the table checks it.
          kind: row.kind as WorkRequest['kind'],
          namespace: String(row.namespace),
          target: String(row.target),
          name: String(row.name),
          payload: row.is_too_large === true ? undefined : (row.payload as string | null),
          options: row.options as WorkRequest['options'],
          attempts: Number(row.attempts),
        }
      })
      .sort((a, b) => a.id - b.id)
  }

  async report({ session, done, failed, postponed }: RequestReport): Promise<void> {
    const textOf = (error: string): string =>
      error.slice(0, ERROR_CHARACTERS).toWellFormed().replaceAll('\0', '')
    await this.#ask({
      name: 'report requests',
      text: REPORT,
      values: [
        session,
        done,
        failed.map(({ id }) => id),
        failed.map(({ error }) => textOf(error)),
        postponed.map(({ id }) => id),
        postponed.map(({ delayMs }) => delayMs),
        postponed.map(({ error }) => (error === undefined ? null : textOf(error))),
      ],
    })
  }

  /** What has no answer is asked again: a claim finds what it has claimed, and what is reported is so already. */
  #ask(statement: Statement): Promise<Row[]> {
    return this.#link.persist(async () => (await this.#link.once(statement, ANSWER_MS)).rows)
  }
}
