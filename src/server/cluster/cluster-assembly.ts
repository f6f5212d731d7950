/** Puts the parts of a node together: its member, its links to other nodes, and the way of calls and messages between them. */

import type { ClusterView, SessionView } from '../../core/cluster/cluster-view.ts'
import { ClusterNode } from '../../engine/cluster/cluster-node.ts'
import { type Coordinator, DatabaseCoordinator } from '../../engine/cluster/coordinator.ts'
import { RemoteMail } from '../../engine/cluster/remote-mail.ts'
import type { Engine } from '../../engine/engine.ts'
import type { RegistryReply } from '../../engine/registry/registry-port.ts'
import { followsOthers } from '../../engine/tasks/queue-calls.ts'
import type { Clock } from '../../platform/clock.ts'
import { DatabaseClock } from '../../platform/database-clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Randomness } from '../../platform/randomness.ts'
import { incarnationOf } from '../../platform/run-ids.ts'
import { TlsIdentity } from '../../platform/tls.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { registryShardOf } from '../../protocol/ids.ts'
import type { NodesPort } from '../../protocol/nodes-port.ts'
import type { ClusterStore } from '../../store/contract/cluster-store.ts'
import type { Session } from '../../store/contract/rows.ts'
import type { PostgresStore } from '../../store/postgres/postgres-store.ts'
import { handedOn } from '../audit/audited-port.ts'
import type { ClaimDesk } from '../claims/claim-desk.ts'
import type { ClaimPort, ClaimRequest, ClaimTell } from '../claims/claim-port.ts'
import { ClusterClaims } from '../claims/cluster-claims.ts'
import type { NodeList } from '../listen/node-list.ts'
import { clusterCalls } from './cluster-calls.ts'
import type { CheckedClusterSettings } from './cluster-settings.ts'
import { CutOffWatch } from './cut-off-watch.ts'
import { EtcdCoordinator } from './etcd/etcd-coordinator.ts'
import { assertNameFree } from './name-check.ts'
import { nodeCalls } from './node-calls.ts'
import type { NodeDoor } from './node-connection.ts'
import { NodeLinks, type NodeLinksOptions } from './node-link.ts'
import { OwnerCalls } from './owner-calls.ts'
import { RepeatedLook } from './repeated-look.ts'
import { isAskedAgain, Router, type RouterOptions } from './router.ts'
import { assertTrusted } from './trust-check.ts'

export interface ClusterAssemblyOptions {
  readonly store: PostgresStore
  readonly settings: CheckedClusterSettings
  /** Of this process, for people. */
  readonly process: string
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
  /** Default: connections of the system. */
  readonly network?: NodeNetwork | undefined
  /** Default: that of the settings. */
  readonly coordinator?: Coordinator | undefined
}

/** What is between the nodes, for simulation. */
export interface NodeNetwork extends Required<Pick<NodeLinksOptions, 'open' | 'clock'>> {
  /** Others reach the node by its door. Answers where that is. */
  listen(door: NodeDoor): string
}

/** A session without an address is that of an engine which is alone on its database. */
const LOOK_AGAIN_MS = 1500
const SETTINGS_MS = 1000
/** A change is in force on all nodes within a second. */
const REGISTRY_MS = 500

export class ClusterAssembly {
  readonly node: ClusterNode
  /** That of the database, for the engine: nodes agree on what is due. */
  readonly clock: Clock
  readonly #cluster: ClusterStore
  readonly #options: ClusterAssemblyOptions
  readonly #links: NodeLinks
  /**
   * Of queues with several partitions, which different nodes have: the owner of the first one changes them. The others are asked to
   * follow when that is done, and look by themselves: one may not have been reached.
   */
  readonly #settings: RepeatedLook
  /** Of administrative objects: their owner tells nobody. */
  readonly #registry: RepeatedLook
  readonly #identity: TlsIdentity | undefined
  readonly #coordinator: Coordinator
  #engine: Engine | undefined
  #owner: OwnerCalls | undefined
  #address = ''
  /** Of the living nodes. */
  #urls: readonly string[] = []
  readonly #followers = new Set<(urls: readonly string[]) => void>()
  #sendClientsAway = (): void => {}
  /** Clients need not wait with a node that cannot do anything for them, nor find out what others have. */
  readonly #cutOff: CutOffWatch
  #claims: ClaimDesk | undefined

  constructor(options: ClusterAssemblyOptions) {
    this.#options = options
    const { store, settings, logger, network } = options
    const clock = new DatabaseClock(options.clock)
    this.clock = clock
    this.#cluster = timed(store.cluster, clock)
    const looking = { clock: options.clock, logger }
    this.#settings = new RepeatedLook({ ...looking, pauseMs: SETTINGS_MS, what: 'settings of queues' })
    this.#registry = new RepeatedLook({ ...looking, pauseMs: REGISTRY_MS, what: 'administrative objects' })
    const onLost = (session: number): void => this.node.hint(session)
    const { tls } = settings.listen
    this.#identity =
      tls === undefined ? undefined : new TlsIdentity(tls, 'createEngine({ cluster: { tls } })', logger.warn)
    this.#links = new NodeLinks({ logger, onLost, tls: this.#identity, ...network })
    this.#coordinator = options.coordinator ?? coordinatorOf(options)
    this.#cutOff = new CutOffWatch({
      clock,
      logger,
      others: () => this.node.others(),
      ask: (node, signal) => this.#links.call(node, 'nodes.list', [], signal),
      sendAway: () => this.#sendClientsAway(),
    })
    this.node = new ClusterNode({
      cluster: this.#cluster,
      coordinator: this.#coordinator,
      fence: (session) => store.fence(session),
      identity: () => ({
        node: settings.name ?? options.process,
        incarnation: incarnationOf(options.random),
        nowMs: clock.nowMs(),
        address: this.#address,
        weight: settings.weight,
      }),
      mail: new RemoteMail({
        ownerOf: (shard) => this.node.ownerOf(shard),
        deliver: (to, rows) => this.#links.deliver(to, rows),
        acknowledged: (rows) => this.#engine?.mailbox.acknowledged(rows),
        changed: (mostMs) => this.node.changed(mostMs),
        logger,
        nowMs: () => options.clock.tickMs?.() ?? options.clock.nowMs(),
      }),
      clock,
      logger,
      handOverMs: settings.handOverMs,
      give: (to, shards) => this.#links.give(to, shards),
      onRoutes: () => this.#changed(),
    })
  }

  /** For other nodes, and for workers. */
  get doors(): { readonly door: NodeDoor; readonly nodes: NodeList } {
    const own = (): string => this.#address
    return {
      door: this.#door,
      nodes: {
        get own() {
          return own()
        },
        sendsAway: () => this.#cutOff.isAlone,
        follow: (tell) => {
          const told = (urls: readonly string[]): void => tell(urls)
          this.#followers.add(told)
          told(this.#urls)
          return () => void this.#followers.delete(told)
        },
      },
    }
  }

  #changed(): void {
    this.#cutOff.seen()
    const sessions = this.node.view?.sessions ?? []
    this.#links.keep(sessions)
    const living = sessions.filter(({ isFenced }) => !isFenced)
    const urls = [...new Set(living.flatMap(({ address }) => address ?? []))].sort()
    if (urls.length === 0 || urls.join() === this.#urls.join()) return
    this.#urls = urls
    for (const tell of this.#followers) tell(urls)
  }

  get #door(): NodeDoor {
    const engineOf = (): Engine => {
      if (this.#engine === undefined) throw new PerdureError('ENGINE_CLOSED', 'the node is not open yet')
      this.#engine.assertOpen()
      return this.#engine
    }
    const incarnation = (): string => this.#engine?.session.incarnation ?? ''
    return {
      get incarnation() {
        return incarnation()
      },
      call: async (request, signal, onRecorded) => {
        const { audit } = engineOf()
        const owner = this.#owner
        const claims = this.#claims
        if (owner === undefined || claims === undefined)
          throw new PerdureError('ENGINE_CLOSED', 'the node is not open yet')
        const { method, args } = request
        // The casts: nodes trust each other.
        if (method === 'claims.take') return claims.take(args[0] as ClaimRequest, signal)
        const run = (): Promise<unknown> =>
          method === 'claims.tell' ? claims.tell(args[0] as ClaimTell) : owner.call(method, args, signal)
        return handedOn(audit, request, { run, onRecorded, isAskedAgain })
      },
      deliver: async (rows) => engineOf().mailbox.receive(rows),
      take: async (shards) => {
        engineOf()
        await this.node.given(shards)
      },
    }
  }

  /** The calls about nodes, for all ports of this engine. */
  nodesOf(engine: Engine): NodesPort {
    const look = (): Promise<ClusterView> => this.#cluster.look()
    return nodeCalls({ engine, node: this.node, links: this.#links, look })
  }

  /** The claims of this node and of the others. */
  claimsOf(engine: Engine, desk: ClaimDesk): ClaimPort {
    this.#claims = desk
    return new ClusterClaims({ engine, links: this.#links, nodes: this.node }, desk)
  }

  /** The port for all clients of this node. */
  connect(engine: Engine, local: ClientPort): ClientPort {
    this.#engine = engine
    const assertAlive = (session: Session): Promise<void> => this.node.assertAlive(session)
    const owner = new OwnerCalls({
      port: local,
      registry: { put: (change) => engine.registry.putHere(change) },
      session: () => engine.session,
      assertAlive,
    })
    this.#owner = owner
    const routing: RouterOptions = { engine, local, owner, links: this.#links, nodes: this.node }
    this.#routeRegistry(engine, new Router(routing))
    return clusterCalls(routing)
  }

  #routeRegistry(engine: Engine, router: Router): void {
    const shard = registryShardOf(engine.ownership.shards)
    // The cast: what the method answers.
    engine.registry.routeBy(
      (change) => router.call({ shard, method: 'registry.put', args: [change] }) as Promise<RegistryReply>,
    )
  }

  /**
   * @param url where this node listens
   * @param sendClientsAway asks those that are connected to go on with another node
   */
  async open(engine: Engine, url: string, sendClientsAway: () => void): Promise<void> {
    this.#sendClientsAway = sendClientsAway
    this.#address = this.#options.settings.address ?? url
    try {
      await this.#coordinator.open()
      await this.#assertShared()
      await this.#assertNameFree()
      if (this.#options.network === undefined) await this.#assertTrusted()
      await engine.open()
      await this.#assertNameFree(engine.session)
    } catch (error) {
      await engine.close(0)
      await this.#coordinator.close()
      throw error
    }
    this.node.start(engine)
    this.#settings.start(async () => {
      if (followsOthers(engine)) await engine.tasks.settings.refresh()
    })
    this.#registry.start(() => engine.registry.refresh())
  }

  close(): void {
    this.#cutOff.stop()
    this.#settings.stop()
    this.#registry.stop()
    this.#links.close()
  }

  /** Names that nobody has given are made of host and process. */
  async #assertNameFree(own?: Session): Promise<void> {
    const { settings, store, clock, logger } = this.#options
    const { name } = settings
    if (name === undefined) return
    const parts = { name, address: this.#address, clock, logger }
    const look = (): Promise<ClusterView> => this.#cluster.look()
    await assertNameFree({ ...parts, look, fence: (session) => store.fence(session) }, own)
  }

  /** Sessions of nodes that have died may still be there: they count if nothing else is wrong, or their heartbeats move. */
  async #assertTrusted(): Promise<void> {
    const check = (others: readonly SessionView[]): Promise<void> =>
      assertTrusted(
        this.#address,
        others.flatMap(({ address }) => address ?? []),
        this.#identity,
      )
    const before = await this.#otherNodes()
    try {
      await check(before)
    } catch {
      await new Promise<void>((resolve) => void this.#options.clock.after(LOOK_AGAIN_MS, resolve))
      const seen = new Map(before.map(({ id, heartbeatAt }) => [id, heartbeatAt]))
      await check((await this.#otherNodes()).filter(({ id, heartbeatAt }) => seen.get(id) !== heartbeatAt))
    }
  }

  async #otherNodes(): Promise<SessionView[]> {
    const { sessions } = await this.#cluster.look()
    return sessions.filter(({ address, isFenced }) => !isFenced && address !== this.#address)
  }

  /** An engine that is alone on the database would lose its session to this node, and take back everything. */
  async #assertShared(): Promise<void> {
    const { store, clock } = this.#options
    const alone = async (): Promise<
      readonly {
        readonly id: number
        readonly incarnation: string
        readonly heartbeatAt: number
        readonly node: string
      }[]
    > =>
      (await this.#cluster.look()).sessions.filter(({ address, isFenced }) => address === null && !isFenced)
    const before = await alone()
    if (before.length === 0) return
    await new Promise<void>((resolve) => void clock.after(LOOK_AGAIN_MS, resolve))
    const seen = new Map(before.map(({ id, heartbeatAt }) => [id, heartbeatAt]))
    for (const session of await alone()) {
      if (seen.get(session.id) !== session.heartbeatAt)
        throw new PerdureError(
          'STORE_LOCKED',
          `${store.name} is in use by the engine ${session.node}, which is no node: give it cluster: {} too, and both share the database`,
        )
      await store.fence(session)
    }
  }
}

function coordinatorOf({ settings, clock, random, logger }: ClusterAssemblyOptions): Coordinator {
  const { coordinator } = settings
  return coordinator === undefined
    ? new DatabaseCoordinator()
    : new EtcdCoordinator({ settings: coordinator, clock, random, logger })
}

/** Each look at the cluster tells what time it is there. */
function timed(cluster: ClusterStore, clock: DatabaseClock): ClusterStore {
  return {
    join: (node) => cluster.join(node),
    beat: (session, isDraining) => cluster.beat(session, isDraining),
    look: () => clock.sample(() => cluster.look()),
    lead: (session, from) => cluster.lead(session, from),
    take: (takings) => cluster.take(takings),
    isAlive: (session) => cluster.isAlive(session),
    shardMail: (shards) => cluster.shardMail(shards),
    recoverableOf: (...page) => cluster.recoverableOf(...page),
    timersOf: (...page) => cluster.timersOf(...page),
    firstEntries: (...page) => cluster.firstEntries(...page),
  }
}
