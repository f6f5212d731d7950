/**
 * One node's part in its cluster: it keeps its session alive, watches the others, and leads when nobody else does.
 *
 * All decisions are those of `core/cluster` and of the coordinator; this carries them out, one look at the database at a time.
 * Nothing here is safety: what a member believes may be old, and each of its writes is compared with what is there. Safety is
 * that a session which was fenced writes nothing any more.
 *
 * 1. A member fences a session only after its coordinator has named it; the leader watches everybody, the others the leader.
 * 2. Shards are taken only after the fence of their owner has been acknowledged, on a view that was read after it.
 * 3. A member that finds its own session fenced owns nothing from then on, tells so, and joins anew.
 * 4. A look that fails changes nothing. The coordinator sees the gap.
 */
import type { ClusterView, SessionView, ShardView } from '../../core/cluster/cluster-view.ts'
import { type Dispute, LeadDispute } from '../../core/cluster/lead-dispute.ts'
import type { Leadership } from '../../core/cluster/leadership.ts'
import { assignShards, type Move } from '../../core/cluster/shard-assignment.ts'
import type { Logger } from '../../platform/logger.ts'
import type { ClusterNode, ClusterStore, JoinedSession } from '../../store/contract/cluster-store.ts'
import type { Session } from '../../store/contract/rows.ts'
import { type Coordinator, DatabaseCoordinator } from './coordinator.ts'

/** A person is told of an outage so often. */
const FAILURE_LOG_MS = 5000

const DISPUTES: Readonly<Record<Dispute, string>> = {
  contested: 'nodes take the lead from each other again and again',
  vacant: 'nobody leads, and each node waits for another one to do so',
}

export interface ClusterMemberOptions {
  readonly cluster: ClusterStore
  /** Resolves when no write of that session can take effect any more. */
  readonly fence: (session: Session) => Promise<void>
  /** For the next session: each one has another incarnation. */
  readonly identity: () => ClusterNode
  readonly logger: Logger
  /** Default: the database. */
  readonly coordinator?: Coordinator
  /** ms of the own clock, which nobody sets. */
  readonly tickMs: () => number
  /** Default 450 ms: at most about twice a second. */
  readonly heartbeatMs?: number
  /** A tick without a session joins. Default true; else somebody calls `join`. */
  readonly joinsItself?: boolean
  readonly onChange: (change: MemberChange) => void
}

export type MemberChange =
  /** It has a session, and owns nothing yet. */
  | ({ readonly kind: 'joined' } & JoinedSession)
  /** It owns these now, all of them; `epoch` rises with each owner. */
  | { readonly kind: 'owned'; readonly shards: readonly ShardView[] }
  /** These are to be handed over, in this order. */
  | { readonly kind: 'moves'; readonly moves: readonly Move[] }
  /** It has another view of the cluster. */
  | { readonly kind: 'looked' }
  /** Its session is fenced: all that it had is somebody else's. */
  | { readonly kind: 'fenced'; readonly session: Session }

export class ClusterMember {
  readonly #options: ClusterMemberOptions
  readonly #coordinator: Coordinator
  readonly #leadDispute = new LeadDispute()
  #session: Session | undefined
  /** The last one that was found fenced. */
  #ended: Session | undefined
  #view: ClusterView | undefined
  #owned = ''
  #moves = ''
  #isDraining = false
  #failovers = 0
  #beatAtMs = Number.NEGATIVE_INFINITY
  #failureToldMs = Number.NEGATIVE_INFINITY

  constructor(options: ClusterMemberOptions) {
    this.#options = options
    this.#coordinator = options.coordinator ?? new DatabaseCoordinator()
  }

  /** What it saw last. */
  get view(): ClusterView | undefined {
    return this.#view
  }

  get session(): Session | undefined {
    return this.#session
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  get isLeader(): boolean {
    return this.#session !== undefined && this.#view?.leader?.session === this.#session.id
  }

  /** Nodes that it has found dead, and fenced. */
  get failovers(): number {
    return this.#failovers
  }

  /** It is about to leave: it gets no shards any more, and is asked to hand over what it has. */
  drain(): void {
    this.#isDraining = true
    this.#beatAtMs = Number.NEGATIVE_INFINITY
  }

  /** It was found otherwise that its session is fenced. */
  fenced(session: Session): void {
    this.#lost(session)
  }

  /** The connection to the node of that session has closed. */
  hint(session: number): void {
    this.#coordinator.hint(session)
  }

  /** One look, and what follows from it. To be called again and again, a few times a second. */
  async tick(): Promise<void> {
    const { joinsItself = true } = this.#options
    try {
      const session = this.#session ?? (joinsItself ? (await this.join()).session : undefined)
      if (session === undefined) return
      if (!(await this.#isAlive(session))) return
      await this.#act(session)
    } catch (error) {
      this.#tellFailure(error)
    }
  }

  /** An outage of the database fails each look, several a second. */
  #tellFailure(error: unknown): void {
    const { logger, tickMs } = this.#options
    const nowMs = tickMs()
    if (nowMs - this.#failureToldMs < FAILURE_LOG_MS) return
    this.#failureToldMs = nowMs
    logger.warn('the cluster could not be looked at', { error })
  }

  /** Registers a session. One that it had before has ended: what that owned is taken over at once. */
  async join(): Promise<JoinedSession> {
    const { cluster, identity, onChange } = this.#options
    const before = this.#ended
    const node = identity()
    const joined = await cluster.join(node)
    const { session } = joined
    this.#session = session
    this.#coordinator.enter(session, node)
    this.#owned = ''
    this.#moves = ''
    this.#beatAtMs = this.#options.tickMs()
    onChange({ kind: 'joined', ...joined })
    if (before !== undefined) await this.#takeOver(before, session)
    return joined
  }

  /** Whoever leads may be faster: then it is somebody else's. */
  async #takeOver(from: Session, to: Session): Promise<void> {
    const { cluster, logger } = this.#options
    try {
      const { shards } = await cluster.look()
      const left = shards.filter(({ owner }) => owner === from.id)
      await cluster.take(left.map((shard) => ({ shard, to: to.id })))
    } catch (error) {
      logger.warn('what the session before had owned was not taken over: whoever leads will assign it', {
        error,
      })
    }
  }

  async #isAlive(session: Session): Promise<boolean> {
    const { cluster, tickMs, heartbeatMs = 450 } = this.#options
    const nowMs = tickMs()
    if (nowMs - this.#beatAtMs < heartbeatMs) return true
    this.#beatAtMs = nowMs
    if (await cluster.beat(session, this.#isDraining)) return true
    this.#lost(session)
    return false
  }

  async #act(session: Session): Promise<void> {
    const { cluster } = this.#options
    let view = await cluster.look()
    const suspects = this.#suspectsOf(view, session)
    for (const suspect of suspects) {
      this.#options.logger.warn('a node has died: its session is fenced', {
        otherNode: suspect.node,
        session: suspect.id,
      })
      await this.#options.fence(suspect)
      this.#failovers += 1
    }
    if (suspects.length > 0) view = await cluster.look()
    const leadership = this.#leadershipOf(view, session)
    if (leadership.role === 'candidate' && (await cluster.lead(session, leadership.from)))
      view = await cluster.look()
    if (view.leader?.session === session.id && (await this.#take(view))) view = await cluster.look()
    this.#saw(view, session)
  }

  #leadershipOf(view: ClusterView, session: Session): Leadership {
    const elected = this.#coordinator.leadership(view, session)
    const { leadership, dispute } = this.#leadDispute.settle(view, session.id, elected)
    if (dispute !== undefined)
      this.#options.logger.warn(
        `${DISPUTES[dispute]}: they do not elect in the same place. The database decides from now on; give all nodes the same coordinator`,
        { nodes: view.sessions.filter(({ isFenced }) => !isFenced).map(({ node }) => node) },
      )
    return leadership
  }

  /** All are observed by all, so that a new leader need not begin with it. */
  #suspectsOf(view: ClusterView, session: Session): SessionView[] {
    const others = view.sessions.filter(({ id, isFenced }) => id !== session.id && !isFenced)
    const named = new Set(this.#coordinator.suspects(view, others))
    const leader = view.leader?.session
    return others.filter(({ id }) => named.has(id) && (leader === session.id || leader === id))
  }

  async #take(view: ClusterView): Promise<boolean> {
    const { takings } = assignShards(view)
    return takings.length > 0 && (await this.#options.cluster.take(takings)).length > 0
  }

  #saw(view: ClusterView, session: Session): void {
    const { onChange } = this.#options
    // It was looked for a session that has ended meanwhile: what that owned is not the next one's.
    if (this.#session !== session) return
    this.#view = view
    const own = view.sessions.find(({ id }) => id === session.id)
    if (own === undefined || own.isFenced) {
      this.#lost(session)
      return
    }
    const shards = view.shards.filter(({ owner }) => owner === session.id)
    const owned = shards.map(({ id, epoch }) => `${id}:${epoch}`).join()
    if (owned !== this.#owned) {
      this.#owned = owned
      onChange({ kind: 'owned', shards })
    }
    onChange({ kind: 'looked' })
    const moves = assignShards(view).moves.filter(({ from }) => from === session.id)
    const wanted = moves.map(({ shard, to }) => `${shard.id}:${to}`).join()
    if (wanted === this.#moves) return
    this.#moves = wanted
    onChange({ kind: 'moves', moves })
  }

  #lost(session: Session): void {
    if (this.#session !== session) return
    this.#session = undefined
    this.#ended = session
    this.#options.onChange({ kind: 'fenced', session })
  }
}
