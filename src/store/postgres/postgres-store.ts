/**
 * The store on a PostgreSQL database, in its schema `perdure`.
 *
 * 1. A batch is one guarded statement (see `batch-statement.ts`), sent once. Whatever is not a clear answer to it is an
 *    `UnknownCommitError`: a lost connection, a timeout, a fatal error, or a warning, as when the wait for a standby was
 *    cancelled. Nothing ever cancels it.
 * 2. `fence` is asked again until a commit of it was acknowledged without a warning, and each time it writes the row: so
 *    that this acknowledgement says of all that came before that it is where the fence is.
 * 3. Batches, fences and heartbeats, and reads have connections of their own: none waits behind another's.
 * 4. While the database cannot be reached, reads and fences wait for it.
 */
import { type Logger, silentLogger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Batch, CommitOutcome } from '../contract/batch.ts'
import type { ClusterStore } from '../contract/cluster-store.ts'
import type { DayDropping } from '../contract/day-dropping.ts'
import type { RequestStore } from '../contract/request-store.ts'
import type { NodeIdentity, Session } from '../contract/rows.ts'
import type { ReplicatedStore, ShownReadCounts, ShownReads } from '../contract/shown-reads.ts'
import { type RegisteredSession, type Store, UnknownCommitError } from '../contract/store.ts'
import { BatchStatements, ContradictoryBatchError } from './batch-statement.ts'
import { NotStorableError } from './binary-array.ts'
import { BEAT, DATABASE_MS, heartbeatOf } from './database-time.ts'
import { ensureDayPartitions } from './day-partitions.ts'
import { dropDays } from './day-retention.ts'
import { migrate } from './migrate.ts'
import { PostgresCluster } from './postgres-cluster.ts'
import { isFenced, isOutage, isRefusal, messageOf, storeFailed, warned } from './postgres-error.ts'
import { type Answer, type ConnectionState, PostgresLink, type Row, type Statement } from './postgres-link.ts'
import type { Ask } from './postgres-reads.ts'
import { PostgresRequests } from './postgres-requests.ts'
import { postgresTarget } from './postgres-url.ts'
import { POSITION, PrimaryPositions } from './primary-position.ts'
import { ReadMethods } from './read-methods.ts'
import { ReplicaReads } from './replica-reads.ts'
import { Timeline } from './timeline.ts'

export interface PostgresStoreOptions {
  /** Shards of a new database; later it never changes. Default 256. */
  readonly shards?: number
  /** Connections for reads. Default 4. */
  readonly readConnections?: number
  /** How long a database that cannot be reached is waited for at the start, ms. Default 10,000. */
  readonly openMs?: number
  /** A batch without an answer for so long is settled as an unknown one, ms. Default 10,000. */
  readonly commitMs?: number
  /** A read without an answer for so long is asked again, on another connection, ms. Default 60,000. */
  readonly readMs?: number
  /** How long connecting to one host may take, ms. Default 5,000. */
  readonly connectMs?: number
  /** URL of a streaming standby, for `shown`; it gets as many connections for reads. Default: none. */
  readonly replica?: string
  /**
   * For the only node of a database: registering is refused while another one lives, whose session would be fenced, and closing
   * ends the session, so that the next start need not find out that we are gone. Default false.
   */
  readonly exclusive?: boolean
  readonly logger?: Logger
}

export interface PostgresStore extends Store, Partial<ReplicatedStore> {
  /** The database, without a password. */
  readonly name: string
  readonly shards: number
  /** For nodes that share the database. */
  readonly cluster: ClusterStore
  /** From the transactions of users. */
  readonly requests: RequestStore
  /** As they are now. */
  readonly connections: readonly ConnectionState[]
}

const COMMIT_MS = 10_000
const READ_MS = 60_000
const CONTROL_MS = 10_000
/** Old batch numbers are dropped after this many commits; as many stay. */
const COMMITS_KEPT = 1000
/** Older sessions are dropped when a new one registers. */
const SESSIONS_KEPT = 1000
const PARTITIONS_EVERY_MS = 3_600_000
const OPEN_RETRY_MS = 200
const HEARTBEAT_MS = 500
/** The end of a session may be told in this time; without it the next start waits until it is known to be dead. */
const LAST_FENCE_MS = 1000

/**
 * Connects, and brings the database to the newest schema.
 *
 * Errors: `STORE_INVALID` (the URL, or a server that cannot be used), `STORE_FAILED` (it cannot be reached, or refuses us),
 * `STORE_NEWER`. With `exclusive`, registering may answer `STORE_LOCKED`.
 */
export async function createPostgresStore(
  url: string,
  options: PostgresStoreOptions = {},
): Promise<PostgresStore> {
  const target = postgresTarget(url)
  const { shards = 256, readConnections = 4, openMs = 10_000, connectMs, logger = silentLogger } = options
  const replica = options.replica === undefined ? undefined : postgresTarget(options.replica, 'reads')
  const timeline = new Timeline()
  const around = { logger, timeline, ...(connectMs === undefined ? {} : { connectMs }) }
  const link = (purpose: string, settings = {}): PostgresLink =>
    new PostgresLink({ target, purpose, settings, ...around })
  // Texts of batches are the same each time, so is their plan: it is made once.
  const committing = link('commit', { plan_cache_mode: 'force_generic_plan' })
  const control = link('control')
  // A heartbeat waits behind nothing. It connects when it is used first.
  const clustering = link('cluster')
  const requesting = link('requests')
  // Connects when it is used first: without retention it never is.
  const dropping = link('retention')
  const reading = Array.from({ length: readConnections }, () => link('read'))
  const links: Links = {
    ...{ committing, control, clustering, requesting, dropping, reading },
    // Behind no list: it is asked before each read of the replica.
    positioning: replica === undefined ? [] : [link('position')],
    replicas:
      replica === undefined
        ? []
        : reading.map(
            () => new PostgresLink({ target: replica, purpose: 'replica', serves: 'reads', ...around }),
          ),
  }
  try {
    await reach(control, target.name, openMs)
    const known = await migrate(control, target.name, shards)
    await ensureDayPartitions(control, Date.now())
    return new DatabaseStore({
      name: target.name,
      shards: known,
      links,
      replica: replica?.name,
      commitMs: options.commitMs ?? COMMIT_MS,
      readMs: options.readMs ?? READ_MS,
      isExclusive: options.exclusive === true,
      timeline,
      logger,
    })
  } catch (error) {
    await closeAll(links)
    throw storeFailed(target.name, error)
  }
}

/** A database that starts at the same time as we is waited for; one that refuses us is not. */
async function reach(link: PostgresLink, name: string, openMs: number): Promise<void> {
  const endMs = performance.now() + openMs
  for (;;) {
    try {
      await link.connect()
      return
    } catch (error) {
      if (isRejection(error) || !isOutage(error)) throw error
      if (performance.now() + OPEN_RETRY_MS > endMs) throw storeFailed(`cannot connect to ${name}`, error)
    }
    await new Promise((resolve) => setTimeout(resolve, OPEN_RETRY_MS))
  }
}

/** Invalid authorization, invalid catalog name: it will not change while we wait. */
function isRejection(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code.startsWith('28') || code.startsWith('3D')
}

const FENCE = `
  update perdure.session set fenced_at = coalesce(fenced_at, ${DATABASE_MS}) where id = $1 and incarnation = $2`

const HAS_COMMITTED = `
  select from perdure.commit join perdure.session on session.id = session_id
  where session_id = $1 and incarnation = $2 and seq = $3`

/**
 * Sessions are inserted one after the other, under a lock, so that of two the one with the higher id is the later one, for
 * everybody: it sees the other, and fences it. Without it two that register in the same moment could both be left.
 */
const INSERT_SESSION = `
  with alone as materialized (select pg_advisory_xact_lock(1348825700, 7696998))
  insert into perdure.session (incarnation, node, heartbeat_at) select $1, $2, ${DATABASE_MS} from alone returning id`

const FENCE_BEFORE = `
  update perdure.session set fenced_at = ${DATABASE_MS} where id < $1 and fenced_at is null`

/** Of sessions that have ended only the last number is kept, for a while. */
const TAKE_OVER = `
  with taken as (
    update perdure.shard set session_id = $1::int8, epoch = (
      select greatest($1::int8, max(epoch) + 1) from perdure.shard as all_shards)
    returning epoch
  ), floor as (
    update perdure.meta set value = greatest(value, (select max(at) from perdure.commit))
    where key = 'clock_floor' returning value
  ), last as materialized (
    select session_id, max(seq) as seq from perdure.commit group by session_id
  ), old_commits as (
    delete from perdure.commit as old using last where old.session_id = last.session_id
      and (old.seq < last.seq or old.session_id <= $1::int8 - ${SESSIONS_KEPT})
  ), old_beats as (
    delete from perdure.heartbeat as old where old.session_id < $1::int8
  ), old_sessions as (
    delete from perdure.session as old where old.id <= $1::int8 - ${SESSIONS_KEPT}
  )
  select value, (select max(epoch) from taken) as epoch from floor`

const PRUNE = `
  with floor as (
    update perdure.meta set value = greatest(value,
      (select max(at) from perdure.commit where session_id = $1 and seq <= $2)) where key = 'clock_floor'
  )
  delete from perdure.commit where session_id = $1 and seq <= $2`

/**
 * A session whose heartbeat stands still for so long is that of a node that has died. Also asked by an engine that another one
 * has fenced: of two that began in the same moment one goes on.
 */
async function assertAlone(link: PostgresLink, name: string, own: Session | undefined): Promise<void> {
  const text = `
    select id, node, ${heartbeatOf('session')} as beat from perdure.session
    where fenced_at is null and id <> $1 order by id`
  const others = { text, values: [own?.id ?? 0] }
  const before = await link.once(others, CONTROL_MS)
  if (before.rows.length === 0) return
  await new Promise((resolve) => setTimeout(resolve, 3 * HEARTBEAT_MS))
  const { rows } = await link.once(others, CONTROL_MS)
  const seen = new Map(before.rows.map((row) => [row.id, row.beat]))
  const alive = rows.find(({ id, beat }) => seen.get(id) !== beat)
  if (alive !== undefined)
    throw new PerdureError(
      'STORE_LOCKED',
      `${name} is in use by the engine ${alive.node}; several engines share a PostgreSQL database as nodes of a cluster, each with createEngine({ cluster: {} })`,
    )
}

interface Links {
  readonly committing: PostgresLink
  /** Fences, registrations, and what has time. */
  readonly control: PostgresLink
  readonly clustering: PostgresLink
  readonly requesting: PostgresLink
  readonly dropping: PostgresLink
  readonly reading: readonly PostgresLink[]
  /** One, or none without a replica. */
  readonly positioning: readonly PostgresLink[]
  readonly replicas: readonly PostgresLink[]
}

function allOf({ reading, positioning, replicas, ...others }: Links): readonly PostgresLink[] {
  return [...Object.values(others), ...reading, ...positioning, ...replicas]
}

async function closeAll(links: Links): Promise<void> {
  await Promise.all(allOf(links).map((each) => each.close()))
}

interface Opened {
  readonly name: string
  readonly shards: number
  readonly links: Links
  /** To be shown. */
  readonly replica: string | undefined
  readonly commitMs: number
  readonly readMs: number
  readonly isExclusive: boolean
  readonly timeline: Timeline
  readonly logger: Logger
}

function replicaOf({ links, replica, readMs, logger }: Opened, primary: Ask): ReplicaReads | undefined {
  const [positioning] = links.positioning
  if (positioning === undefined || replica === undefined) return undefined
  const position = { name: 'perdure-position', text: POSITION }
  const positions = new PrimaryPositions(() =>
    positioning.persist(async () => (await positioning.once(position, CONTROL_MS)).rows),
  )
  return new ReplicaReads({ name: replica, links: links.replicas, positions, primary, readMs, logger })
}

class DatabaseStore extends ReadMethods implements PostgresStore {
  readonly name: string
  readonly shards: number
  readonly cluster: ClusterStore
  readonly requests: RequestStore
  readonly shown?: ShownReads
  readonly #replica: ReplicaReads | undefined
  readonly #links: Links
  readonly #commitMs: number
  readonly #readMs: number
  readonly #isExclusive: boolean
  readonly #logger: Logger
  readonly #statements = new BatchStatements()
  readonly #partitionTimer: NodeJS.Timeout
  readonly #background = new Set<Promise<unknown>>()
  readonly #timeline: Timeline
  #session: Session | undefined
  /** The session has joined others. */
  #isMember = false
  #registeredAt = 0
  #heartbeat: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined

  constructor(opened: Opened) {
    super((statement) => this.#read(statement))
    const { name, shards, links, commitMs, readMs, isExclusive, timeline, logger } = opened
    this.name = name
    this.shards = shards
    this.cluster = new PostgresCluster({
      link: links.clustering,
      ask: (statement) => this.#read(statement),
      onJoined: (session) => {
        this.#session = session
        this.#isMember = true
        this.#registeredAt = this.#timeline.newest
      },
    })
    this.requests = new PostgresRequests(links.requesting)
    this.#links = links
    this.#replica = replicaOf(opened, (statement) => this.#read(statement))
    this.#commitMs = commitMs
    this.#readMs = readMs
    this.#isExclusive = isExclusive
    this.#timeline = timeline
    this.#logger = logger
    const replica = this.#replica
    if (replica !== undefined) {
      this.shown = new ReadMethods(replica.ask)
      this.#inBackground('the replica was not looked at', () => replica.look())
    }
    this.#partitionTimer = setInterval(
      () =>
        this.#inBackground('no partitions were made for the days to come', () =>
          ensureDayPartitions(links.control, Date.now()),
        ),
      PARTITIONS_EVERY_MS,
    )
    this.#partitionTimer.unref()
  }

  get connections(): readonly ConnectionState[] {
    return allOf(this.#links).map(({ state }) => state)
  }

  get shownCounts(): ShownReadCounts {
    return this.#replica?.counts ?? { replica: 0, primary: 0 }
  }

  async register(node: NodeIdentity): Promise<RegisteredSession> {
    this.#requireOpen()
    const { control } = this.#links
    return control.persist(async () => {
      if (this.#isExclusive) await assertAlone(control, this.name, this.#session)
      const ask = (text: string, values: readonly unknown[]): Promise<Answer> =>
        control.once({ text, values }, CONTROL_MS)
      const inserted = await ask(INSERT_SESSION, [node.incarnation, node.node])
      const session = { id: Number(inserted.rows[0]?.id), incarnation: node.incarnation }
      // One transaction after the other: what is read after the fence is all that those before have written.
      await ask(FENCE_BEFORE, [session.id])
      const { rows, isWarned } = await ask(TAKE_OVER, [session.id])
      // A standby may lack all of it: another session is registered behind it, and fences it.
      if (isWarned) throw warned()
      this.#keepAlive(session)
      this.#registeredAt = this.#timeline.newest
      return { session, clockFloorMs: Number(rows[0]?.value), epoch: Number(rows[0]?.epoch) }
    })
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    this.#requireOpen()
    try {
      const statement = { ...this.#statements.of(batch), timeline: this.#timelineOf(batch.session) }
      const { isWarned } = await this.#links.committing.once(statement, this.#commitMs)
      if (isWarned) throw new UnknownCommitError('the server has sent a warning with its answer')
    } catch (error) {
      if (error instanceof UnknownCommitError) throw error
      if (isFenced(error)) return { outcome: 'fenced' }
      if (isRefusal(error) || error instanceof ContradictoryBatchError || error instanceof NotStorableError)
        return { outcome: 'refused', reason: messageOf(error) }
      if (isOutage(error)) throw new UnknownCommitError(messageOf(error), { cause: error })
      throw storeFailed(this.name, error)
    }
    if (batch.seq % COMMITS_KEPT === 0) this.#prune(batch.session, batch.seq - COMMITS_KEPT)
    return { outcome: 'committed' }
  }

  async fence({ id, incarnation }: Session): Promise<void> {
    this.#requireOpen()
    const { control } = this.#links
    const statement = { text: FENCE, values: [id, incarnation] }
    await control.persist(async () => {
      while ((await control.once(statement, CONTROL_MS)).isWarned) this.#requireOpen()
    })
  }

  /** On the connection of the fence: what another server knows does not count. */
  async hasCommitted({ id, incarnation }: Session, seq: number): Promise<boolean> {
    this.#requireOpen()
    const { control } = this.#links
    const statement = { text: HAS_COMMITTED, values: [id, incarnation, seq] }
    return control.persist(async () => (await control.once(statement, CONTROL_MS)).rows.length > 0)
  }

  async dropDays(session: Session, closedBefore: number): Promise<DayDropping> {
    this.#requireOpen()
    return dropDays(this.#links.dropping, session, closedBefore, Date.now())
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#partitionTimer)
    clearInterval(this.#heartbeat)
    await Promise.allSettled(this.#background)
    if (this.#session !== undefined && (this.#isExclusive || this.#isMember)) await this.#leave(this.#session)
    await closeAll(this.#links)
  }

  /**
   * That on which the session registered. A server that has taken over may lack what was acknowledged, unless it is a
   * synchronous standby: what is in memory is then built on what is lost, and must not be written.
   */
  #timelineOf(session: Session): number {
    return session.id === this.#session?.id ? this.#registeredAt : this.#timeline.newest
  }

  /** Liveness only: whoever sees it stand still may fence the session, and then no batch of it counts. */
  #keepAlive(session: Session): void {
    clearInterval(this.#heartbeat)
    this.#session = session
    const statement = { text: BEAT, values: [session.id, session.incarnation, false] }
    let isBeating = false
    this.#heartbeat = setInterval(() => {
      if (isBeating) return
      isBeating = true
      this.#inBackground('the heartbeat of this node was not written', async () => {
        try {
          await this.#links.control.once(statement, CONTROL_MS)
        } finally {
          isBeating = false
        }
      })
    }, HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  /** After the batch in flight: whoever starts next need not find out that we are gone. */
  async #leave({ id, incarnation }: Session): Promise<void> {
    const { committing, control } = this.#links
    await committing.whenIdle()
    await control.once({ text: FENCE, values: [id, incarnation] }, LAST_FENCE_MS).catch((error) => {
      this.#logger.warn('the session was not ended', { store: this.name, reason: messageOf(error) })
    })
  }

  /** Reads wait on the connection with the fewest of them. */
  #read(statement: Statement): Promise<Row[]> {
    this.#requireOpen()
    const [first, ...others] = this.#links.reading
    if (first === undefined) throw new Error('a store has connections for reads')
    let link = first
    for (const other of others) if (other.inFlight < link.inFlight) link = other
    return link.persist(async () => (await link.once(statement, this.#readMs)).rows)
  }

  #requireOpen(): void {
    if (this.#closed !== undefined)
      throw new PerdureError('ENGINE_CLOSED', `The store ${this.name} is closed`)
  }

  #prune({ id }: Session, upTo: number): void {
    const statement = { text: PRUNE, values: [id, upTo] }
    this.#inBackground('old batch numbers were not dropped', () =>
      this.#links.control.once(statement, CONTROL_MS),
    )
  }

  /** What can be done later as well: a failure is told, and the next time it is tried again. */
  #inBackground(failure: string, run: () => Promise<unknown>): void {
    const done = run()
      .catch((error) => {
        if (this.#closed === undefined)
          this.#logger.warn(failure, { store: this.name, reason: messageOf(error) })
      })
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }
}
