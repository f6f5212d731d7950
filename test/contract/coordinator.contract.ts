/** What every coordinator keeps: run with a factory of coordinators that belong together, one for each node. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterView, SessionView } from '../../src/core/cluster/cluster-view.ts'
import { ClusterMember } from '../../src/engine/cluster/cluster-member.ts'
import type { Coordinator } from '../../src/engine/cluster/coordinator.ts'
import { silentLogger } from '../../src/index.ts'
import type { ClusterNode } from '../../src/store/contract/cluster-store.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import { MemoryCluster } from '../../src/store/memory/memory-cluster.ts'

export type CoordinatorFactory = () => Promise<Coordinator>

const SHARDS = 16
const TICK_MS = 100
/** For what takes some looks, and with a coordinator elsewhere the end of a lease. */
const LIMIT_MS = 60_000

const NODE: ClusterNode = {
  node: 'own',
  incarnation: 'own',
  nowMs: 0,
  address: 'ws://127.0.0.1:1',
  weight: 1,
}
const OWN: Session = { id: 1, incarnation: 'own' }

export const sessionOf = (id: number, heartbeatAt: number): SessionView => ({
  id,
  incarnation: `i${id}`,
  address: null,
  node: `node-${id}`,
  weight: 1,
  isDraining: false,
  heartbeatAt,
  isFenced: false,
})

export const viewOf = (databaseMs: number, sessions: readonly SessionView[]): ClusterView => ({
  databaseMs,
  shards: [],
  sessions,
  leader: undefined,
})

export function nodeOf({ incarnation }: Session): ClusterNode {
  return { ...NODE, incarnation }
}

/** A member whose looks go on until it is stopped, as a process is. */
export class TestMember {
  readonly name: string
  readonly member: ClusterMember
  readonly coordinator: Coordinator
  #isStopped = false
  #incarnations = 0
  #loop: Promise<void> | undefined

  private constructor(name: string, cluster: MemoryCluster, coordinator: Coordinator) {
    this.name = name
    this.coordinator = coordinator
    this.member = new ClusterMember({
      cluster,
      coordinator,
      fence: (session) => cluster.fence(session),
      identity: () => ({
        ...NODE,
        node: name,
        // Random, as those of real nodes are: clusters may share a coordinator.
        incarnation: `${name}-${++this.#incarnations}-${crypto.randomUUID()}`,
      }),
      logger: silentLogger,
      tickMs: () => performance.now(),
      onChange: () => {},
    })
  }

  static async start(name: string, cluster: MemoryCluster, coordinator: Coordinator): Promise<TestMember> {
    await coordinator.open()
    const started = new TestMember(name, cluster, coordinator)
    await started.member.join()
    started.go()
    return started
  }

  get session(): Session {
    const { session } = this.member
    if (session === undefined) throw new Error(`${this.name} has no session`)
    return session
  }

  go(): void {
    this.#isStopped = false
    this.#loop = this.#run()
  }

  /** It looks no more: its heartbeat stands still. Its coordinator goes on, as that of a node which has lost its database. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#loop
  }

  async end(): Promise<void> {
    await this.stop()
    await this.coordinator.close()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.member.tick()
      await sleep(TICK_MS)
    }
  }
}

export function memoryCluster(): MemoryCluster {
  return new MemoryCluster(SHARDS, () => Math.floor(performance.now()))
}

/** Waits until all the living say that the same one leads; answers it. */
export async function leaderOf(cluster: MemoryCluster, members: readonly TestMember[]): Promise<TestMember> {
  for (const endMs = performance.now() + LIMIT_MS; performance.now() < endMs; await sleep(20)) {
    const { leader, shards, sessions } = await cluster.look()
    const living = new Set(sessions.filter(({ isFenced }) => !isFenced).map(({ id }) => id))
    const named = members.find(({ member }) => member.isLeader)
    if (named === undefined || named.member.session?.id !== leader?.session) continue
    if (!members.every(({ member }) => member.session !== undefined && living.has(member.session.id)))
      continue
    if (shards.every(({ owner }) => owner !== null && living.has(owner))) return named
  }
  throw new Error(
    `nobody leads who has given all shards to the living: ${JSON.stringify(await cluster.look())}`,
  )
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !(await isSo()); await sleep(20))
    assert.ok(performance.now() < endMs, 'it has not come about')
}

export function coordinatorContract(name: string, make: CoordinatorFactory): void {
  describe(`the contract of coordinators: ${name}`, () => {
    suspectsContract(make)
    leadershipContract(make)
  })
}

function suspectsContract(make: CoordinatorFactory): void {
  test('whose heartbeat moves is never named, whatever is said of it', async () => {
    const coordinator = await make()
    await coordinator.open()
    coordinator.enter(OWN, NODE)
    for (let ms = 0; ms < 20_000; ms += 150) {
      coordinator.hint(2)
      const others = [sessionOf(2, Math.floor(ms / 450))]
      assert.deepEqual(coordinator.suspects(viewOf(ms, others), others), [])
    }
    await coordinator.close()
  })

  test('whose heartbeat stands still is named after a while, which a hint makes shorter; a gap begins it anew', async () => {
    const coordinator = await make()
    await coordinator.open()
    coordinator.enter(OWN, NODE)
    const namedAfter = (fromMs: number, isHinted: boolean): number => {
      const others = [sessionOf(2, fromMs)]
      for (let ms = fromMs; ms < fromMs + 10_000; ms += 100) {
        if (coordinator.suspects(viewOf(ms, others), others).length > 0) return ms - fromMs
        if (isHinted) coordinator.hint(2)
      }
      throw new Error('it was not named')
    }
    assert.equal(namedAfter(0, false), 2000)
    assert.equal(namedAfter(100_000, true), 700)
    // The looks before were another time.
    const same = [sessionOf(3, 0)]
    coordinator.suspects(viewOf(200_000, same), same)
    assert.deepEqual(coordinator.suspects(viewOf(210_000, same), same), [])
    await coordinator.close()
  })

  test('who joins anew has observed nobody', async () => {
    const coordinator = await make()
    await coordinator.open()
    coordinator.enter(OWN, NODE)
    const others = [sessionOf(2, 0)]
    for (let ms = 0; ms < 1900; ms += 100) coordinator.suspects(viewOf(ms, others), others)
    coordinator.enter({ id: 3, incarnation: 'next' }, { ...NODE, incarnation: 'next' })
    for (let ms = 1900; ms < 3800; ms += 100)
      assert.deepEqual(coordinator.suspects(viewOf(ms, others), others), [])
    await coordinator.close()
  })
}

function leadershipContract(make: CoordinatorFactory): void {
  test('of several one leads, and gives each shard to somebody; when it dies another one does', async () => {
    const cluster = memoryCluster()
    const members: TestMember[] = []
    for (const name of ['a', 'b', 'c']) members.push(await TestMember.start(name, cluster, await make()))
    try {
      const first = await leaderOf(cluster, members)
      const session = first.session.id
      await first.stop()
      const rest = members.filter((each) => each !== first)
      // Who leads may have changed before, while they came; not who is dead.
      await until(async () =>
        (await cluster.look()).sessions.every(({ id, isFenced }) => id !== session || isFenced),
      )
      const second = await leaderOf(cluster, rest)
      assert.notEqual(second, first)
      // It finds that it was fenced, and joins anew.
      first.go()
      await until(() => first.member.session !== undefined && first.session.id !== session)
      await leaderOf(cluster, members)
    } finally {
      await Promise.all(members.map((member) => member.end()))
    }
  })

  test('who leaves does not take the lead while somebody else is there', async () => {
    const coordinator = await make()
    await coordinator.open()
    coordinator.enter(OWN, NODE)
    const own = { ...sessionOf(OWN.id, 0), incarnation: OWN.incarnation }
    const leaving = { ...own, isDraining: true }
    const roleIn = (...sessions: SessionView[]): string =>
      coordinator.leadership(viewOf(0, sessions), OWN).role
    for (let looks = 0; looks < 20; looks++) {
      assert.equal(roleIn(leaving, sessionOf(2, 0)), 'follower')
      assert.equal(roleIn(leaving), 'candidate')
      assert.equal(roleIn(own), 'candidate')
      await sleep(20)
    }
    await coordinator.close()
  })

  test('it may be closed at any time, twice', async () => {
    const coordinator = await make()
    await coordinator.close()
    await coordinator.close()
    const opened = await make()
    await opened.open()
    opened.enter(OWN, NODE)
    await Promise.all([opened.close(), opened.close()])
  })
}
