/**
 * One node of a cluster: its member looks at the cluster and keeps its session, its engine has the shards of that session.
 *
 * 1. Shards that the session was given are taken in by the engine; those that it is to hand over are given up by it, a few at a
 *    time, so that each of them pauses for a moment only.
 * 2. What is known of others is as old as the last look: whoever is asked for a shard that it does not have says so, and the
 *    caller looks again.
 */
import type { ClusterView, SessionView, ShardView } from '../../core/cluster/cluster-view.ts'
import type { Move } from '../../core/cluster/shard-assignment.ts'
import type { Clock } from '../../platform/clock.ts'
import { coalesced } from '../../platform/coalesced.ts'
import type { Logger } from '../../platform/logger.ts'
import type { ClusterStore, ClusterNode as NodeRow } from '../../store/contract/cluster-store.ts'
import type { Session } from '../../store/contract/rows.ts'
import { ClusterMember, type MemberChange } from './cluster-member.ts'
import type { ClusterParts, OutgoingMail } from './cluster-parts.ts'
import { type Coordinator, DatabaseCoordinator } from './coordinator.ts'
import { moved, type OwnedShard } from './ownership.ts'

/** What the node needs of its engine. */
export interface NodeEngine {
  readonly session: Session
  /** Rises when the engine drops all that it has, and starts over. */
  readonly generation: number
  readonly ownership: {
    readonly size: number
    owns(shard: number): boolean
    isOpen(shard: number): boolean
  }
  readonly shards: {
    adopt(shards: readonly OwnedShard[]): Promise<void>
    release(
      moves: readonly { readonly shard: number; readonly to: number | null }[],
      graceMs: number,
    ): Promise<boolean>
    /** Resolves when what has to go on in the shards that are here now is in memory, or was dropped. */
    recovered(): Promise<void>
  }
  sessionLost(session: Session): void
  fail(cause: unknown): void
}

export interface ClusterNodeOptions {
  readonly cluster: ClusterStore
  readonly fence: (session: Session) => Promise<void>
  readonly identity: () => NodeRow
  readonly mail: OutgoingMail
  readonly clock: Clock
  readonly logger: Logger
  /** Between two looks at the cluster. Default 150 ms. */
  readonly lookMs?: number
  /** How long what runs in a shard may end before the shard is given up. Default 1,000 ms. */
  readonly handOverMs?: number
  /** Default: the database. */
  readonly coordinator?: Coordinator
  /** There is another view of the cluster. */
  readonly onRoutes?: () => void
  /** That session has been given these; resolves when they go on there. Without it, it finds out when it looks. */
  readonly give?: (to: SessionView, shards: readonly OwnedShard[]) => Promise<void>
}

/** Shards that are given up together. */
const HAND_OVER_SHARDS = 8
/** So long it is waited for who takes them in. */
const TAKEN_IN_MS = 2000

export class ClusterNode {
  readonly parts: ClusterParts
  readonly #options: ClusterNodeOptions
  readonly #member: ClusterMember
  readonly #coordinator: Coordinator
  #engine: NodeEngine | undefined
  /** Of the session, as the last look has it. */
  #owned: readonly ShardView[] = []
  #moves: readonly Move[] = []
  #owners: ReadonlyMap<number, SessionView> = new Map()
  #routes = ''
  /** Shards that are on their way in, or out. */
  readonly #busy = new Set<number>()
  /** Epochs in which this session has given up a shard: an older look may still say that it owns it. */
  readonly #given = new Map<number, number>()
  #isHandingOver = false
  #isStopped = false
  #wake: (() => void) | undefined
  readonly #waiters = new Set<() => void>()
  #loop: Promise<void> | undefined
  readonly #isAlive = coalesced(() => this.#askAlive())

  constructor(options: ClusterNodeOptions) {
    this.#options = options
    const { cluster, fence, identity, logger, clock, mail } = options
    this.#coordinator = options.coordinator ?? new DatabaseCoordinator()
    this.#member = new ClusterMember({
      cluster,
      fence,
      identity,
      logger,
      tickMs: () => clock.tickMs?.() ?? clock.nowMs(),
      joinsItself: false,
      onChange: (change) => this.#changed(change),
      coordinator: this.#coordinator,
    })
    this.parts = {
      reads: cluster,
      mail,
      join: () => this.#join(),
      started: () => this.#started(),
      isAlive: () => this.#isAliveAtLast(),
      stop: () => this.stop(),
    }
  }

  get view(): ClusterView | undefined {
    return this.#member.view
  }

  /** The one that it keeps alive; undefined: it has none at the moment. */
  get session(): Session | undefined {
    return this.#member.session
  }

  get isDraining(): boolean {
    return this.#member.isDraining
  }

  get isLeader(): boolean {
    return this.#member.isLeader
  }

  /** Nodes that this one has found dead, and fenced. */
  get failovers(): number {
    return this.#member.failovers
  }

  /** Begins to look at the cluster; the engine has a session. */
  start(engine: NodeEngine): void {
    this.#engine = engine
    this.#loop = this.#run()
    this.#started()
  }

  /** Looks soon. */
  look(): void {
    this.#wake?.()
  }

  /** The connection to the node of that session has closed. */
  hint(session: number): void {
    this.#member.hint(session)
    this.look()
  }

  /** `here`; the session that has it; undefined: nobody at this moment, or this node, which is about to take it or give it up. */
  ownerOf(shard: number): 'here' | SessionView | undefined {
    const engine = this.#engine
    if (engine?.ownership.isOpen(shard) === true) return 'here'
    const owner = this.#owners.get(shard)
    return owner === undefined || owner.id === engine?.session.id ? undefined : owner
  }

  /** Other nodes that live, as far as is known. */
  others(): SessionView[] {
    const own = this.#engine?.session.id
    return (this.view?.sessions ?? []).filter(({ id, isFenced }) => !isFenced && id !== own)
  }

  /** Resolves when who owns what may have changed, or after `mostMs`. */
  changed(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiter = (): void => {
        cancel()
        resolve()
      }
      const cancel = this.#options.clock.after(mostMs, () => {
        this.#waiters.delete(waiter)
        resolve()
      })
      this.#waiters.add(waiter)
    })
  }

  /**
   * Resolves if the session was not fenced at some moment after this call: what the engine had in memory then was the newest.
   *
   * Errors: `SHARD_MOVED`, also if the engine has another session; and those of the database.
   */
  async assertAlive(session: Session): Promise<void> {
    if (!(await this.#isAlive()) || this.#engine?.session !== session) throw moved('what this node had')
  }

  /** It hands over what it has, and gets nothing any more. */
  beginDraining(): void {
    this.#member.drain()
    this.look()
  }

  /** Hands over all that it has. Resolves when it has nothing, nobody is there to take it, or after `mostMs`. */
  async drain(mostMs: number): Promise<void> {
    const { clock } = this.#options
    const tickMs = (): number => clock.tickMs?.() ?? clock.nowMs()
    const endMs = tickMs() + mostMs
    this.beginDraining()
    while (tickMs() < endMs && this.#engine !== undefined && this.#engine.ownership.size > 0) {
      if (this.others().every(({ isDraining }) => isDraining)) return
      await this.changed(Math.min(this.#options.lookMs ?? 150, endMs - tickMs()))
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.look()
    await this.#loop
    await this.#coordinator.close()
    this.#tell()
  }

  async #run(): Promise<void> {
    const { clock, lookMs = 150 } = this.#options
    while (!this.#isStopped) {
      await this.#member.tick()
      if (this.#isStopped) return
      await new Promise<void>((resolve) => {
        const cancel = clock.after(lookMs, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
  }

  async #join(): ReturnType<ClusterMember['join']> {
    const before = this.#member.session
    // The engine has found it, or has fenced it itself.
    if (before !== undefined) this.#member.fenced(before)
    this.#owned = []
    this.#moves = []
    this.#given.clear()
    return await this.#member.join()
  }

  /** The database may be away for a while: then it is asked again. */
  async #isAliveAtLast(): Promise<boolean> {
    const { lookMs = 150, logger } = this.#options
    const session = this.#engine?.session
    for (;;) {
      try {
        return await this.#isAlive()
      } catch (error) {
        if (this.#isStopped || this.#engine?.session !== session) return false
        logger.debug('it is not known whether the session still counts: the database is asked again', {
          error,
        })
        await this.changed(lookMs)
      }
    }
  }

  async #askAlive(): Promise<boolean> {
    const session = this.#engine?.session
    const isAlive = session !== undefined && (await this.#options.cluster.isAlive(session))
    if (!isAlive) this.look()
    return isAlive
  }

  #changed(change: MemberChange): void {
    switch (change.kind) {
      case 'joined':
        break
      case 'looked':
        this.#options.onRoutes?.()
        break
      case 'owned':
        this.#owned = change.shards
        this.#sync()
        break
      case 'moves':
        this.#moves = change.moves
        this.#handOver().catch((error) => this.#engine?.fail(error))
        break
      case 'fenced':
        this.#owned = []
        this.#moves = []
        this.#engine?.sessionLost(change.session)
        break
    }
    this.#route()
  }

  /** The engine has started in a session that may have been lost meanwhile, when it could not be told. */
  #started(): void {
    const engine = this.#engine
    if (engine !== undefined && this.#member.session !== engine.session) engine.sessionLost(engine.session)
    else this.#sync()
  }

  /** What it owns, and has not taken in. */
  #sync(): void {
    const engine = this.#engine
    const session = this.#member.session
    this.#route()
    if (engine === undefined || session === undefined || engine.session !== session) return
    const wanted = this.#owned.filter(
      ({ id, epoch }) =>
        !this.#busy.has(id) && !engine.ownership.owns(id) && epoch > (this.#given.get(id) ?? -1),
    )
    if (wanted.length > 0) this.#adopt(engine, wanted).catch((error) => engine.fail(error))
  }

  async #adopt(engine: NodeEngine, shards: readonly ShardView[]): Promise<void> {
    const ids = shards.map(({ id }) => id)
    await this.#whileBusy(engine, ids, () => engine.shards.adopt(shards))
    this.#tell()
    this.look()
    await this.#handOver()
  }

  /** An engine that started over meanwhile has none of them: whatever of these its session has is then taken in. */
  async #whileBusy<T>(engine: NodeEngine, shards: readonly number[], work: () => Promise<T>): Promise<T> {
    const { generation } = engine
    for (const shard of shards) this.#busy.add(shard)
    try {
      return await work()
    } finally {
      for (const shard of shards) this.#busy.delete(shard)
      if (engine.generation !== generation) this.#sync()
    }
  }

  async #handOver(): Promise<void> {
    const engine = this.#engine
    if (engine === undefined || this.#isHandingOver) return
    this.#isHandingOver = true
    try {
      for (;;) {
        const chunk = this.#moves
          .filter(({ shard: { id } }) => engine.ownership.isOpen(id) && !this.#busy.has(id))
          .slice(0, HAND_OVER_SHARDS)
        if (chunk.length === 0 || this.#isStopped) return
        await this.#giveUp(engine, chunk)
      }
    } finally {
      this.#isHandingOver = false
    }
  }

  async #giveUp(engine: NodeEngine, moves: readonly Move[]): Promise<void> {
    const { session } = engine
    const { handOverMs = 1000 } = this.#options
    const ids = moves.map(({ shard }) => shard.id)
    const isGiven = await this.#whileBusy(engine, ids, async () => {
      const given = await engine.shards.release(
        moves.map(({ shard, to }) => ({ shard: shard.id, to })),
        handOverMs,
      )
      if (!given || engine.session !== session) return false
      for (const { shard } of moves) this.#given.set(shard.id, shard.epoch)
      return true
    })
    if (!isGiven) return
    const left = new Set(moves.map(({ shard }) => shard.id))
    this.#moves = this.#moves.filter(({ shard }) => !left.has(shard.id))
    this.#owned = this.#owned.filter(({ id }) => !left.has(id))
    this.look()
    await this.#tellReceivers(moves)
  }

  /** The next ones are given up when these go on: so none of them pauses for long. */
  async #tellReceivers(moves: readonly Move[]): Promise<void> {
    const { give, clock, logger } = this.#options
    if (give === undefined) return
    const told = this.others().map(async (session) => {
      const shards = moves
        .filter(({ to }) => to === session.id)
        .map(({ shard: { id, epoch } }) => ({ id, epoch: epoch + 1 }))
      if (shards.length === 0) return
      try {
        await give(session, shards)
      } catch (error) {
        logger.debug('a node that was given shards did not answer', { otherNode: session.node, error })
      }
    })
    await Promise.race([
      Promise.all(told),
      new Promise<void>((resolve) => void clock.after(TAKEN_IN_MS, resolve)),
    ])
  }

  /** Another node has given these to this session, which it has committed. Resolves when they are taken in, and go on. */
  async given(shards: readonly OwnedShard[]): Promise<void> {
    const engine = this.#engine
    const session = this.#member.session
    // The engine of the session before may still answer while the next one has been registered.
    if (engine === undefined || session === undefined || engine.session !== session)
      throw moved('the session that was given shards')
    const ids = new Set(shards.map(({ id }) => id))
    const known = this.#owned.filter(({ id }) => !ids.has(id))
    this.#owned = [...known, ...shards.map((shard) => ({ ...shard, owner: session.id }))]
    this.#sync()
    // What is here has been taken in; so has what was given up again by now.
    const isIn = ({ id, epoch }: OwnedShard): boolean =>
      engine.ownership.owns(id) || (this.#given.get(id) ?? -1) >= epoch
    while (!shards.every(isIn)) {
      if (this.#isStopped || this.#member.session !== session)
        throw moved('the session that was given shards')
      await this.changed(this.#options.lookMs ?? 150)
    }
    await engine.shards.recovered()
  }

  #route(): void {
    const view = this.view
    if (view !== undefined) {
      const sessions = new Map(view.sessions.map((session) => [session.id, session]))
      const owners = new Map<number, SessionView>()
      for (const { id, owner } of view.shards) {
        const session = owner === null ? undefined : sessions.get(owner)
        if (session?.isFenced === false) owners.set(id, session)
      }
      const routes = [...owners].map(([shard, { id }]) => `${shard}:${id}`).join()
      this.#owners = owners
      if (routes === this.#routes) return
      this.#routes = routes
    }
    this.#tell()
  }

  #tell(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter()
  }
}
