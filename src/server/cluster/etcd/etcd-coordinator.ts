/**
 * The coordinator over etcd: each node has a key there, under a lease that it keeps alive. The node whose key is the oldest leads,
 * and the end of a lease says that its node may have died.
 *
 * The intuition: etcd makes the cluster no less available than the database alone, and no less careful. All that it says is a hint:
 *
 * 1. A node is dead when its heartbeat in the database stands still; the end of its lease only makes that time shorter, as a closed
 *    connection does. A node that has lost etcd, and works, is not fenced.
 * 2. Who leads is what the row of the database says. The election says who is to take it. One that was elected and whose heartbeat
 *    stands still is passed over, or nobody would lead.
 * 3. What was read longer than `FRESH_MS` ago is not counted: without etcd, and without its quorum, heartbeats and row decide alone.
 * 4. Keys are of incarnations, which are random: those of another cluster under the same prefix are no session of this one.
 * 5. A watch only says that something has changed. What there is, is read; also without a watch, every `LOOK_MS`.
 */
import type { ClusterView, SessionView } from '../../../core/cluster/cluster-view.ts'
import { type Leadership, leadershipByQueue } from '../../../core/cluster/leadership.ts'
import { type Coordinator, DatabaseCoordinator } from '../../../engine/cluster/coordinator.ts'
import type { Clock } from '../../../platform/clock.ts'
import type { Logger } from '../../../platform/logger.ts'
import type { Randomness } from '../../../platform/randomness.ts'
import { PerdureError } from '../../../protocol/errors.ts'
import type { ClusterNode } from '../../../store/contract/cluster-store.ts'
import type { Session } from '../../../store/contract/rows.ts'
import { EtcdClient, type EtcdList, type EtcdWatch } from './etcd-client.ts'
import { EtcdError } from './etcd-error.ts'
import type { EtcdSettings } from './etcd-settings.ts'

export interface EtcdCoordinatorOptions {
  readonly settings: EtcdSettings
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
}

/** It outlives an election of etcd, and a member that hangs. */
const LEASE_S = 5
const LOOK_MS = 1000
/** At the look after that: every two seconds, so that one may fail. */
const KEEP_MS = 1500
const FRESH_MS = 3000
/** Many changes that come at once are looked at together. */
const REST_MS = 50
/** At the start a member may be about to come. */
const OPEN_MS = 5000
/** A node that ends waits for etcd no longer. */
const CLOSE_MS = 1500

interface Registration {
  readonly incarnation: string
  /** For people, and for programs that look for the nodes. */
  readonly value: string
  lease: string | undefined
  keptAtMs: number
}

export class EtcdCoordinator implements Coordinator {
  readonly #options: EtcdCoordinatorOptions
  readonly #client: EtcdClient
  readonly #prefix: string
  readonly #database = new DatabaseCoordinator()
  #own: Registration | undefined
  /** Leases of sessions before, to be ended. */
  readonly #left: string[] = []
  /** Incarnations, the oldest key first, as they were read last. */
  #queue: readonly string[] = []
  #readAtMs = Number.NEGATIVE_INFINITY
  /** Incarnations whose keys have gone, which nobody has been told yet. */
  readonly #gone = new Set<string>()
  /** Sessions that the last look has named. */
  #suspects: ReadonlySet<number> = new Set()
  #watch: EtcdWatch | undefined
  #isAway = false
  #isClosed = false
  #isPoked = false
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined

  constructor(options: EtcdCoordinatorOptions) {
    this.#options = options
    const { settings, random } = options
    this.#client = new EtcdClient(settings, Math.floor(random() * settings.endpoints.length))
    this.#prefix = `${settings.prefix}nodes/`
  }

  async open(): Promise<void> {
    const untilMs = this.#tickMs() + OPEN_MS
    for (;;) {
      try {
        await this.#look()
        break
      } catch (error) {
        const isLast = this.#isClosed || this.#tickMs() >= untilMs
        if (error instanceof EtcdError && error.kind === 'unavailable' && !isLast) {
          await this.#rest(LOOK_MS)
          continue
        }
        this.#client.close()
        throw unavailable(error)
      }
    }
    this.#loop = this.#run()
  }

  enter(session: Session, { node, address }: ClusterNode): void {
    this.#database.enter()
    if (this.#own?.lease !== undefined) this.#left.push(this.#own.lease)
    const { id, incarnation } = session
    const value = JSON.stringify({ node, address, session: id })
    this.#own = { incarnation, value, lease: undefined, keptAtMs: Number.NEGATIVE_INFINITY }
    this.#poke()
  }

  hint(session: number): void {
    this.#database.hint(session)
  }

  suspects(view: ClusterView, others: readonly SessionView[]): readonly number[] {
    // Those that are no sessions of this cluster, or none any more, are forgotten.
    for (const { id, incarnation } of others) if (this.#gone.has(incarnation)) this.#database.hint(id)
    this.#gone.clear()
    const suspects = this.#database.suspects(view, others)
    this.#suspects = new Set(suspects)
    return suspects
  }

  leadership(view: ClusterView, session: Session): Leadership {
    if (!this.#isFresh) return this.#database.leadership(view, session)
    const passedOver = new Set(
      view.sessions.filter(({ id }) => this.#suspects.has(id)).map(({ incarnation }) => incarnation),
    )
    const queue = this.#queue.filter((incarnation) => !passedOver.has(incarnation))
    return leadershipByQueue(view, session.id, queue)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wake?.()
    this.#watch?.end()
    const { clock } = this.#options
    let cancel = (): void => {}
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(CLOSE_MS, resolve)
    })
    try {
      await Promise.race([this.#leave(), late])
    } catch (error) {
      this.#options.logger.debug('the lease was not ended: it ends by itself', { error })
    }
    cancel()
    this.#client.close()
  }

  async #leave(): Promise<void> {
    await this.#loop
    if (this.#own?.lease !== undefined) this.#left.push(this.#own.lease)
    await this.#revoke()
  }

  /** Whether what was read counts. */
  get #isFresh(): boolean {
    return this.#tickMs() - this.#readAtMs <= FRESH_MS
  }

  #tickMs(): number {
    const { clock } = this.#options
    return clock.tickMs?.() ?? clock.nowMs()
  }

  async #run(): Promise<void> {
    const { logger } = this.#options
    while (!this.#isClosed) {
      try {
        await this.#round()
        if (this.#isAway) logger.warn('etcd does again what it should')
        this.#isAway = false
      } catch (error) {
        // Once for each time that it is away: the cluster goes on by the database.
        if (!this.#isAway)
          logger.warn('etcd does not do what it should: the cluster goes on by its database', { error })
        this.#isAway = true
      }
      await this.#rest(LOOK_MS)
    }
  }

  /** What is wrong with the own key must not keep us from reading the others'. */
  async #round(): Promise<void> {
    let failure: unknown
    try {
      await this.#keep()
    } catch (error) {
      if (error instanceof EtcdError && error.kind === 'unavailable') throw error
      failure = error
    }
    await this.#look()
    if (failure !== undefined) throw failure
  }

  async #keep(): Promise<void> {
    await this.#revoke()
    const own = this.#own
    if (own === undefined) return
    const nowMs = this.#tickMs()
    if (own.lease !== undefined) {
      if (nowMs - own.keptAtMs < KEEP_MS) return
      if (await this.#client.keepAlive(own.lease)) {
        own.keptAtMs = nowMs
        return
      }
      this.#options.logger.warn('the lease of this node in etcd has ended: it gets another one')
      own.lease = undefined
    }
    await this.#register(own, nowMs)
  }

  async #register(own: Registration, nowMs: number): Promise<void> {
    const lease = await this.#client.grant(LEASE_S)
    own.lease = lease
    own.keptAtMs = nowMs
    if (!(await this.#client.put(`${this.#prefix}${own.incarnation}`, own.value, lease)))
      own.lease = undefined
    // Another session has begun meanwhile.
    if (own !== this.#own) this.#left.push(lease)
  }

  async #revoke(): Promise<void> {
    // One that cannot be ended now ends by itself: nobody keeps it alive.
    for (let lease = this.#left.shift(); lease !== undefined; lease = this.#left.shift())
      await this.#client.revoke(lease)
  }

  async #look(): Promise<void> {
    const own = this.#own
    const isRegistered = own?.lease !== undefined
    const askedAtMs = this.#tickMs()
    const { revision, entries } = await this.#client.list(this.#prefix)
    this.#saw(entries, askedAtMs)
    // Somebody has deleted the key.
    if (own !== undefined && isRegistered && !this.#queue.includes(own.incarnation)) {
      if (own.lease !== undefined) this.#left.push(own.lease)
      own.lease = undefined
    }
    this.#follow(revision)
  }

  #saw(entries: EtcdList['entries'], askedAtMs: number): void {
    const queue = entries.map(({ key }) => key.slice(this.#prefix.length))
    const there = new Set(queue)
    for (const incarnation of this.#queue) if (!there.has(incarnation)) this.#gone.add(incarnation)
    for (const incarnation of queue) this.#gone.delete(incarnation)
    this.#queue = queue
    this.#readAtMs = askedAtMs
  }

  /** At the member that has just answered: one that hangs says nothing, and would be followed for ever. */
  #follow(revision: number): void {
    const { endpoint } = this.#client
    if (this.#watch !== undefined && !this.#watch.hasEnded && this.#watch.endpoint === endpoint) return
    this.#watch?.end()
    this.#watch = this.#isClosed
      ? undefined
      : this.#client.watch(this.#prefix, revision + 1, () => this.#poke())
  }

  #poke(): void {
    this.#isPoked = true
    this.#wake?.()
  }

  /** Ends early after a poke, and at once when all is over. */
  async #rest(mostMs: number): Promise<void> {
    const { clock } = this.#options
    const wait = (forMs: number): Promise<void> =>
      new Promise((resolve) => {
        const cancel = clock.after(forMs, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
      })
    if (!this.#isPoked && !this.#isClosed) await wait(mostMs)
    this.#wake = undefined
    if (this.#isPoked && !this.#isClosed)
      await new Promise<void>((resolve) => void clock.after(REST_MS, resolve))
    this.#isPoked = false
  }
}

function unavailable(error: unknown): PerdureError {
  const said = error instanceof Error ? error.message : String(error)
  const isRefused = error instanceof EtcdError && error.kind !== 'unavailable'
  return new PerdureError(
    'COORDINATOR_UNAVAILABLE',
    isRefused ? `etcd refuses this node: ${said}` : `etcd cannot be asked: ${said}`,
    { cause: error },
  )
}
