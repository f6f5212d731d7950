/** Members of a cluster in simulated time: they pause, are cut off, die and come, and each seed is the same each time. */
import assert from 'node:assert/strict'
import { ClusterMember, type MemberChange } from '../../src/engine/cluster/cluster-member.ts'
import type { Coordinator } from '../../src/engine/cluster/coordinator.ts'
import { silentLogger } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import { MemoryCluster } from '../../src/store/memory/memory-cluster.ts'

export const SHARDS = 32
const TIMEOUT_MS = 2000
const HINTED_MS = 700

export interface SimulatedNode {
  readonly name: string
  readonly member: ClusterMember
  /** What it believes that it owns, with epochs. */
  owned: Map<number, number>
  session: Session | undefined
  isDead: boolean
  pausedUntilMs: number
  cutUntilMs: number
  nextTickMs: number
}

export class World {
  nowMs = 1_000_000
  readonly random: () => number
  readonly cluster: MemoryCluster
  readonly nodes: SimulatedNode[] = []
  readonly beatAtMs = new Map<number, number>()
  readonly hinted = new Set<number>()
  /** Times in which nobody reached the database. */
  readonly outages: { readonly fromMs: number; readonly toMs: number }[] = []
  readonly violations: string[] = []
  fences = 0
  /** The faults are over. */
  isCalm = false
  #incarnations = 0

  readonly #coordinatorOf: ((world: World) => Coordinator) | undefined

  /** @param coordinatorOf default: that of the database, which is held to fence nobody who lives */
  constructor(seed: number, coordinatorOf?: (world: World) => Coordinator) {
    this.random = seededRandomness(seed)
    this.#coordinatorOf = coordinatorOf
    this.cluster = new MemoryCluster(SHARDS, () => this.nowMs)
  }

  add(): SimulatedNode {
    const name = `node-${this.nodes.length + 1}`
    const reach = <T>(call: () => Promise<T>): Promise<T> =>
      this.nowMs < Math.max(node.cutUntilMs, this.outages.at(-1)?.toMs ?? 0)
        ? Promise.reject(new Error('cut off'))
        : call()
    const { cluster } = this
    const member = new ClusterMember({
      cluster: {
        join: (each) => reach(() => cluster.join(each)),
        beat: (session, isDraining) =>
          reach(() => {
            this.beatAtMs.set(session.id, this.nowMs)
            return cluster.beat(session, isDraining)
          }),
        look: () => reach(() => cluster.look()),
        lead: (session, from) => reach(() => cluster.lead(session, from)),
        take: (takings) => reach(() => cluster.take(takings)),
        isAlive: (session) => reach(() => cluster.isAlive(session)),
        shardMail: (shards) => reach(() => cluster.shardMail(shards)),
        recoverableOf: (...page) => reach(() => cluster.recoverableOf(...page)),
        firstEntries: (...page) => reach(() => cluster.firstEntries(...page)),
        timersOf: (...page) => reach(() => cluster.timersOf(...page)),
      },
      fence: (session) => reach(() => this.#fence(session)),
      identity: () => ({
        node: name,
        incarnation: `${name}-${++this.#incarnations}`,
        nowMs: this.nowMs,
        address: name,
        weight: 1,
      }),
      logger: silentLogger,
      tickMs: () => this.nowMs,
      onChange: (change) => this.#changed(node, change),
      ...(this.#coordinatorOf === undefined ? {} : { coordinator: this.#coordinatorOf(this) }),
    })
    const node: SimulatedNode = {
      name,
      member,
      owned: new Map(),
      session: undefined,
      isDead: false,
      pausedUntilMs: 0,
      cutUntilMs: 0,
      nextTickMs: this.nowMs,
    }
    this.nodes.push(node)
    return node
  }

  async #fence(session: Session): Promise<void> {
    const sinceMs = this.beatAtMs.get(session.id) ?? 0
    const silentMs = this.nowMs - sinceMs - this.#outageMs(sinceMs)
    const least = this.hinted.has(session.id) ? HINTED_MS : TIMEOUT_MS
    // A member logs what goes wrong in its tick, and goes on.
    if (silentMs < least && this.#coordinatorOf === undefined)
      this.violations.push(`fenced ${silentMs} ms after its last heartbeat`)
    this.fences += 1
    await this.cluster.fence(session)
  }

  /** Who could not reach the database is not silent. */
  #outageMs(sinceMs: number): number {
    return this.outages.reduce(
      (sum, { fromMs, toMs }) => sum + Math.max(0, Math.min(toMs, this.nowMs) - Math.max(fromMs, sinceMs)),
      0,
    )
  }

  #changed(node: SimulatedNode, change: MemberChange): void {
    if (change.kind === 'joined') {
      node.session = change.session
      this.beatAtMs.set(change.session.id, this.nowMs)
    } else if (change.kind === 'owned')
      node.owned = new Map(change.shards.map(({ id, epoch }) => [id, epoch]))
    else if (change.kind === 'fenced') {
      node.owned = new Map()
      node.session = undefined
    }
  }

  /** Everybody whose time it is ticks once; then time goes on a little. */
  async step(): Promise<void> {
    for (const node of this.nodes) {
      if (node.isDead || this.nowMs < node.pausedUntilMs || this.nowMs < node.nextTickMs) continue
      await node.member.tick()
      node.nextTickMs = this.nowMs + 200 + Math.floor(this.random() * 100)
    }
    await this.check()
    this.nowMs += 20 + Math.floor(this.random() * 60)
  }

  /** Of those whose writes count, at most one believes that it owns a shard, and the database agrees with it. */
  async check(): Promise<void> {
    assert.deepEqual(this.violations, [])
    const { sessions, shards } = await this.cluster.look()
    const living = new Set(sessions.filter(({ isFenced }) => !isFenced).map(({ id }) => id))
    const believers = new Map<number, string>()
    for (const { name, session, owned } of this.nodes) {
      if (session === undefined || !living.has(session.id)) continue
      for (const [shard, epoch] of owned) {
        assert.equal(
          believers.get(shard),
          undefined,
          `${name} and ${believers.get(shard)} own shard ${shard}`,
        )
        believers.set(shard, name)
        assert.deepEqual(shards[shard], { id: shard, owner: session.id, epoch })
      }
    }
  }

  disturb(): void {
    const node = this.nodes[Math.floor(this.random() * this.nodes.length)]
    if (node === undefined) return
    const forMs = 300 + Math.floor(this.random() * 6000)
    const what = this.random()
    if (what < 0.05) this.#outage(forMs)
    else if (what < 0.35) node.pausedUntilMs = this.nowMs + forMs
    else if (what < 0.65) node.cutUntilMs = this.nowMs + forMs
    else if (what < 0.75) {
      node.isDead = true
      this.#hint(node)
    } else if (what < 0.85 && this.nodes.length < 8) this.add()
    else if (what < 0.9) node.member.drain()
  }

  #outage(forMs: number): void {
    if (this.nowMs < (this.outages.at(-1)?.toMs ?? 0)) return
    this.outages.push({ fromMs: this.nowMs, toMs: this.nowMs + forMs })
  }

  /** Its connections close, and some of the others notice. */
  #hint({ session }: SimulatedNode): void {
    if (session === undefined) return
    this.hinted.add(session.id)
    for (const { member } of this.nodes) if (this.random() < 0.5) member.hint(session.id)
  }
}

/** Some time with faults, then some without, in which everything must come right. */
export async function simulate(world: World): Promise<{ fences: number; trace: string }> {
  for (let i = 0; i < 3; i++) world.add()
  const trace: string[] = []
  for (let i = 0; i < 400; i++) {
    if (world.random() < 0.03) world.disturb()
    await world.step()
    if (i % 20 === 0) trace.push(JSON.stringify(await world.cluster.look()))
  }
  world.isCalm = true
  // No more faults: whoever lives goes on, and somebody does.
  for (const node of world.nodes) {
    node.pausedUntilMs = 0
    node.cutUntilMs = 0
  }
  const added = world.add()
  for (const endMs = world.nowMs + 15_000; world.nowMs < endMs; ) await world.step()
  const { sessions, shards, leader } = await world.cluster.look()
  const living = new Map(sessions.filter(({ isFenced }) => !isFenced).map((each) => [each.id, each]))
  assert.ok(living.has(added.session?.id ?? -1))
  assert.ok(leader !== undefined && living.has(leader.session), 'somebody leads')
  assert.ok(
    shards.every(({ owner }) => owner !== null && living.has(owner)),
    'each shard has a living owner',
  )
  const believed = world.nodes.reduce((sum, { owned, isDead }) => sum + (isDead ? 0 : owned.size), 0)
  assert.equal(believed, SHARDS, 'and its owner knows')
  return { fences: world.fences, trace: trace.join('\n') }
}
