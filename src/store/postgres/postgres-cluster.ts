/** The cluster's rows of the database: sessions, shards, and the leader. See the contract for what holds of them. */
import type { ClusterView, LeaderView, SessionView } from '../../core/cluster/cluster-view.ts'
import type { Taking } from '../../core/cluster/shard-assignment.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { RunId } from '../../protocol/ids.ts'
import {
  type ClusterNode,
  type ClusterStore,
  type JoinedSession,
  SESSION_SLOTS,
  type ShardMail,
} from '../contract/cluster-store.ts'
import type { ExecutionRow, InboxRow, OutboxRow, Session, TimerRow } from '../contract/rows.ts'
import type { TimerPage } from '../contract/store.ts'
import { BEAT, DATABASE_MS, heartbeatOf } from './database-time.ts'
import { codeOf, warned } from './postgres-error.ts'
import type { PostgresLink, Row } from './postgres-link.ts'
import { type Ask, PostgresReads } from './postgres-reads.ts'

const CONTROL_MS = 10_000
/** Older ones are dropped when a new one joins. */
const SESSIONS_KEPT = 1000

/** The lowest slot that nobody has. Of two that join in the same moment one violates the index, and tries again. */
const JOIN = `
  with node as (
    insert into perdure.session (incarnation, node, address, weight, heartbeat_at, slot)
    select $1, $2, $3, $4, ${DATABASE_MS}, min(slot) from generate_series(0, ${SESSION_SLOTS - 1}) as free (slot)
    where not exists (
      select from perdure.session as other where other.slot = free.slot and other.fenced_at is null)
    returning id, slot
  ), floor as (
    update perdure.meta set value = greatest(value, (select max(at) from perdure.commit))
    where key = 'clock_floor' returning value
  )
  select node.id, node.slot, floor.value from node, floor`

const UNIQUE_VIOLATION = '23505'

/** Of sessions that have ended the last number is kept. */
const PRUNE_COMMITS = `
  with last as materialized (
    select session_id, max(seq) as seq from perdure.commit join perdure.session on session.id = session_id
    where fenced_at is not null group by session_id
  )
  delete from perdure.commit as old using last where old.session_id = last.session_id
    and (old.seq < last.seq or old.session_id <= $1::int8 - ${SESSIONS_KEPT})`
const PRUNE_SESSIONS = `
  with beats as (
    delete from perdure.heartbeat as old using perdure.session
    where old.session_id = session.id and session.fenced_at is not null
  )
  delete from perdure.session as old where old.id <= $1::int8 - ${SESSIONS_KEPT} and old.fenced_at is not null
    and not exists (select from perdure.shard where session_id = old.id)`

const IS_ALIVE = `
  select from perdure.session where id = $1 and incarnation = $2 and fenced_at is null`

const MAIL = `
  select
    (select json_agg(json_build_object('fromShard', from_shard, 'toShard', to_shard, 'seq', seq, 'message', message)
        order by from_shard, to_shard, seq)
      from perdure.outbox where from_shard = any ($1::int4[])) as outbox,
    (select json_agg(json_build_object('toShard', to_shard, 'fromShard', from_shard, 'lastSeq', last_seq))
      from perdure.inbox where to_shard = any ($1::int4[])) as inbox,
    greatest((select value from perdure.meta where key = 'clock_floor'), (select max(at) from perdure.commit)) as floor`

/** One statement, so that all of it is of one moment. Sessions that are fenced and own nothing are left out. */
const LOOK = `
  select ${DATABASE_MS} as at,
    (select json_agg(json_build_object('id', id, 'incarnation', incarnation, 'address', address, 'node', node, 'weight', weight, 'isDraining',
        draining or exists (select from perdure.heartbeat where session_id = id and heartbeat.draining),
        'heartbeatAt', ${heartbeatOf('session')}, 'isFenced', fenced_at is not null) order by id)
      from perdure.session
      where fenced_at is null or id in (select distinct session_id from perdure.shard)) as sessions,
    (select json_agg(json_build_object('id', id, 'owner', session_id, 'epoch', epoch) order by id)
      from perdure.shard) as shards,
    (select json_build_object('session', session_id, 'term', term) from perdure.leader) as leader`

/** The share lock makes a fence of the candidate wait; one that came before it leaves nothing to insert. */
const LEAD_FIRST = `
  with living as materialized (
    select id from perdure.session where id = $1 and incarnation = $2 and fenced_at is null for share
  )
  insert into perdure.leader (session_id, term) select id, 1 from living on conflict do nothing returning term`

const LEAD = `
  with living as materialized (
    select id from perdure.session where id = $1 and incarnation = $2 and fenced_at is null for share
  )
  update perdure.leader as t set session_id = living.id, term = term + 1 from living
  where t.session_id = $3 and t.term = $4 returning t.term`

/** An owner that was seen fenced stays so. Rows are locked in the order of their ids, by whoever takes. */
const TAKE = `
  with living as materialized (
    select id from perdure.session where id = any ($4::int8[]) and fenced_at is null order by id for share
  ), wanted as materialized (
    select shard.id, given.owner, given.epoch, given.receiver
    from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[]) as given (id, owner, epoch, receiver)
    join perdure.shard as shard using (id)
    join living on living.id = given.receiver
    where shard.epoch = given.epoch and shard.session_id is not distinct from given.owner
      and not exists (
        select from perdure.session as owner where owner.id = given.owner and owner.fenced_at is null)
    order by shard.id for update of shard
  )
  update perdure.shard as t set session_id = wanted.receiver, epoch = t.epoch + 1 from wanted
  where t.id = wanted.id and t.epoch = wanted.epoch and t.session_id is not distinct from wanted.owner
  returning t.id`

export interface PostgresClusterOptions {
  /** For what must not wait behind anything else. */
  readonly link: PostgresLink
  readonly ask: Ask
  /** From now on it is the session of this store. */
  readonly onJoined: (session: Session) => void
}

export class PostgresCluster implements ClusterStore {
  readonly #link: PostgresLink
  readonly #reads: PostgresReads
  readonly #askReader: Ask
  readonly #onJoined: (session: Session) => void

  constructor({ link, ask, onJoined }: PostgresClusterOptions) {
    this.#link = link
    this.#reads = new PostgresReads(ask)
    this.#askReader = ask
    this.#onJoined = onJoined
  }

  async join(node: ClusterNode): Promise<JoinedSession> {
    // A registration whose answer was lost has a session that nobody keeps alive: it will be fenced.
    const values = [node.incarnation, node.node, node.address, node.weight]
    const row = await this.#link.persist(() => this.#insert(values))
    if (row.slot === null)
      throw new PerdureError('STORE_LOCKED', `${SESSION_SLOTS} nodes are there, and more are not possible`)
    const session = { id: Number(row.id), incarnation: node.incarnation }
    this.#onJoined(session)
    await this.#link.persist(() => this.#ask(PRUNE_COMMITS, [session.id]))
    await this.#link.persist(() => this.#ask(PRUNE_SESSIONS, [session.id]))
    return { session, clockFloorMs: Number(row.value), slot: Number(row.slot) }
  }

  async #insert(values: readonly unknown[]): Promise<Row> {
    for (;;) {
      try {
        const { rows, isWarned } = await this.#link.once({ text: JOIN, values }, CONTROL_MS)
        // A standby may lack it: another session is registered behind it.
        if (isWarned) throw warned()
        return rows[0] ?? {}
      } catch (error) {
        if (codeOf(error) !== UNIQUE_VIOLATION) throw error
      }
    }
  }

  async isAlive({ id, incarnation }: Session): Promise<boolean> {
    return (await this.#ask(IS_ALIVE, [id, incarnation])).length > 0
  }

  async shardMail(shards: readonly number[]): Promise<ShardMail> {
    const [row] = await this.#askReader({ name: 'perdure-shard-mail', text: MAIL, values: [shards] })
    return {
      outbox: (row?.outbox ?? []) as OutboxRow[],
      inbox: (row?.inbox ?? []) as InboxRow[],
      clockFloorMs: Number(row?.floor),
    }
  }

  recoverableOf(
    shards: readonly number[],
    after: RunId | undefined,
    limit: number,
  ): Promise<readonly ExecutionRow[]> {
    return this.#reads.recoverable(after, limit, shards)
  }

  timersOf(shards: readonly number[], page: TimerPage): Promise<readonly TimerRow[]> {
    return this.#reads.timers(page, shards)
  }

  async beat({ id, incarnation }: Session, isDraining: boolean): Promise<boolean> {
    return (await this.#ask(BEAT, [id, incarnation, isDraining])).length > 0
  }

  async look(): Promise<ClusterView> {
    const [row] = await this.#ask(LOOK, [])
    return {
      databaseMs: Number(row?.at),
      sessions: (row?.sessions ?? []) as SessionView[],
      shards: (row?.shards ?? []) as ClusterView['shards'],
      leader: (row?.leader ?? undefined) as LeaderView | undefined,
    }
  }

  async lead({ id, incarnation }: Session, from: LeaderView | undefined): Promise<boolean> {
    const rows =
      from === undefined
        ? await this.#ask(LEAD_FIRST, [id, incarnation])
        : await this.#ask(LEAD, [id, incarnation, from.session, from.term])
    return rows.length > 0
  }

  async take(takings: readonly Taking[]): Promise<readonly number[]> {
    if (takings.length === 0) return []
    const rows = await this.#ask(TAKE, [
      takings.map(({ shard }) => shard.id),
      takings.map(({ shard }) => shard.owner),
      takings.map(({ shard }) => shard.epoch),
      takings.map(({ to }) => to),
    ])
    return rows.map((row) => Number(row.id)).sort((a, b) => a - b)
  }

  async #ask(text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#link.once({ text, values }, CONTROL_MS)).rows
  }
}
