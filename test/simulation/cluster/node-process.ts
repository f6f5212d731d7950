/**
 * One life of a node's process: the shipped engine, its part in the cluster, and its links to others, on a clock of its own.
 *
 * One that stands still does everything later, in the same order; requests that it has sent take effect meanwhile.
 */

import type { WebSocket } from 'ws'
import type { TaskContext } from '../../../src/sdk/tasks/task.ts'
import type { NodeDoor } from '../../../src/server/cluster/node-connection.ts'
import type { EmbeddedEngine } from '../../../src/server/embedded-engine.ts'
import { randomFor } from '../fault-plan.ts'
import { Instance, ProcessGone } from '../instance.ts'
import { programTask } from '../interpreter.ts'
import type { TaskSpec } from '../program.ts'
import { never } from '../simulated-store.ts'
import type { ClusterWorld } from './cluster-world.ts'
import { lyingCoordinator } from './lying-coordinator.ts'
import { SimulatedClusterStore } from './simulated-cluster-store.ts'

/** A client gives up a node that says nothing for so long. */
const CLIENT_PATIENCE_MS = 3500
const POLICIES = ['fcfs', 'priority', 'round-robin'] as const

export interface NodeProcessOptions {
  readonly cluster: ClusterWorld
  readonly name: string
  /** Of its life, over all nodes. */
  readonly number: number
  readonly onDeath: () => void
  /** A connection to the node with this address. */
  readonly open: (from: NodeProcess, url: string) => WebSocket
}

type Hold = { readonly moves: Promise<void>; readonly end: () => void; readonly waiting: (() => void)[] }

export class NodeProcess extends Instance {
  readonly name: string
  readonly address: string
  door: NodeDoor | undefined
  readonly #options: NodeProcessOptions
  #hold: Hold | undefined
  #databaseCut: { readonly healed: Promise<void>; readonly heal: () => void } | undefined
  readonly #clients = new Set<() => void>()

  constructor(options: NodeProcessOptions) {
    const { cluster, number, onDeath, name } = options
    super(cluster.base, number, onDeath, (owner) => new SimulatedClusterStore(cluster, owner as NodeProcess))
    this.#options = options
    this.name = name
    this.address = `ws://${name}:1`
  }

  override open(): Promise<void> {
    const { cluster, name, number, open } = this.#options
    const { handOverMs, queues } = cluster.plan
    const random = randomFor(cluster.base.seed, `queues/${number}`)
    return super.open(
      {
        cluster: { name, handOver: handOverMs, drain: 4000 },
        tasks: [programTask((context, spec) => this.#runTask(context, spec))],
        queues: Array.from({ length: queues }, (_, i) => ({
          name: `q${i}`,
          policy: POLICIES[i % POLICIES.length] ?? 'fcfs',
          partitions: 1 + (i % 2),
        })),
        taskConcurrency: 1 + Math.floor(random() * 12),
      },
      {
        network: {
          clock: this.clock,
          listen: (door) => {
            this.door = door
            return this.address
          },
          open: (url) => open(this, url),
        },
        ...(cluster.isLying ? { coordinator: lyingCoordinator(cluster, number) } : {}),
      },
    )
  }

  get isBusy(): boolean {
    return this.store.inFlight > 0 || this.openSteps > 0 || this.openCalls > 0
  }

  get isHeld(): boolean {
    return this.#hold !== undefined
  }

  override run(call: () => void): void {
    if (!this.isAlive) return
    if (this.#hold === undefined) call()
    else this.#hold.waiting.push(call)
  }

  held(): Promise<void> | undefined {
    return this.#hold?.moves
  }

  cut(): Promise<void> | undefined {
    return this.#databaseCut?.healed
  }

  pause(forMs: number): void {
    const { cluster } = this.#options
    const { promise: moves, resolve: end } = Promise.withResolvers<void>()
    const hold = { moves, end, waiting: [] }
    this.#hold = hold
    cluster.after(Math.min(forMs, CLIENT_PATIENCE_MS), () => {
      if (forMs > CLIENT_PATIENCE_MS && this.#hold === hold) this.#loseClients()
    })
    cluster.after(forMs, () => {
      if (this.#hold === hold) this.resume()
    })
  }

  resume(): void {
    const hold = this.#hold
    this.#hold = undefined
    if (hold === undefined) return
    const { clock } = this.#options.cluster.base.scheduler
    for (const call of hold.waiting) clock.defer(() => this.run(call))
    clock.defer(() => this.run(hold.end))
  }

  cutDatabase(forMs: number): void {
    const { promise: healed, resolve: heal } = Promise.withResolvers<void>()
    const cut = { healed, heal }
    this.#databaseCut = cut
    this.#options.cluster.after(forMs, () => {
      if (this.#databaseCut === cut) this.healDatabase()
    })
  }

  healDatabase(): void {
    const cut = this.#databaseCut
    this.#databaseCut = undefined
    if (cut !== undefined) this.run(cut.heal)
  }

  override kill(site: Parameters<Instance['kill']>[0]): void {
    super.kill(site)
    this.#loseClients()
  }

  /** Over the network: call and answer take their time, and may be lost with the connection. */
  override call<T>(run: (engine: EmbeddedEngine) => Promise<T>, isCounted = true): Promise<T> {
    // It died in this moment: nobody takes the connection.
    if (!this.isAlive) return Promise.reject(new ProcessGone('not there'))
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const lost = (): void => reject(new ProcessGone('the connection was lost'))
    this.#clients.add(lost)
    const answer = (give: () => void): void =>
      this.#travel(lost, () => {
        this.#clients.delete(lost)
        give()
      })
    this.#travel(lost, () =>
      this.run(() => {
        super.call(run, isCounted).then(
          (value) => answer(() => resolve(value)),
          (error) => answer(() => reject(error)),
        )
      }),
    )
    return promise
  }

  #travel(lost: () => void, arrive: () => void): void {
    const { cluster } = this.#options
    const { plan, counters } = cluster
    if (cluster.draw(plan.rates.clientLost)) {
      counters.clientsLost += 1
      cluster.after(1 + cluster.upTo(1000), lost)
    } else cluster.after(cluster.upTo(plan.latencyMs + 1), arrive)
  }

  #loseClients(): void {
    for (const lost of this.#clients) lost()
    this.#clients.clear()
  }

  #runTask({ idempotencyKey }: TaskContext, { ms, failures }: TaskSpec): unknown {
    const world = this.#options.cluster.base
    if (!this.isAlive) return never()
    if (world.drawCrash('before-step')) {
      this.kill('before-step')
      return never()
    }
    const calls = (world.stepCallsByKey.get(idempotencyKey) ?? 0) + 1
    world.stepCallsByKey.set(idempotencyKey, calls)
    world.note(`task ${idempotencyKey} call ${calls}`)
    const finish = (): string => {
      if (calls <= failures) throw new Error(`call ${calls}`)
      const marker = world.newMarker()
      world.taskMarkers.add(`${idempotencyKey.split('/').slice(-2).join('/')} ${marker}`)
      return marker
    }
    if (ms === 0) return finish()
    this.openSteps += 1
    return new Promise((resolve, reject) => {
      this.clock.after(ms, () => {
        this.openSteps -= 1
        try {
          resolve(finish())
        } catch (error) {
          reject(error as Error)
        }
      })
    })
  }
}
