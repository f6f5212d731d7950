/** The database as a node reaches it: batches and reads as those of one engine, and the rows of the cluster over the same link. */

import type { Clock } from '../../../src/platform/clock.ts'
import { PerdureError } from '../../../src/protocol/errors.ts'
import type { ClusterStore } from '../../../src/store/contract/cluster-store.ts'
import type { RegistryMark, RegistryQuery, RegistryRow } from '../../../src/store/contract/registry-rows.ts'
import type { Session } from '../../../src/store/contract/rows.ts'
import { type LinkOwner, SimulatedStore } from '../simulated-store.ts'
import type { ClusterWorld } from './cluster-world.ts'

/** The node that holds this link. */
export interface NodeOwner extends LinkOwner {
  readonly name: string
  readonly clock: Clock
  cut(): Promise<void> | undefined
}

export class SimulatedClusterStore extends SimulatedStore {
  readonly name = 'the simulated database'
  readonly shards: number
  readonly cluster: ClusterStore
  readonly #world: ClusterWorld
  readonly #node: NodeOwner

  constructor(world: ClusterWorld, node: NodeOwner) {
    super(world.base, node)
    this.#world = world
    this.#node = node
    this.shards = world.plan.shards
    this.cluster = this.#rows()
  }

  override async fence(session: Session): Promise<void> {
    if (session.id === this.session?.id) return super.fence(session)
    await this.ask('fence of another', () => this.#world.rows.fence(session))
    this.#world.counters.fencedAsDead += 1
    this.#world.base.note(`session ${session.id} is found dead`)
  }

  override registryRows(query: RegistryQuery): Promise<readonly RegistryRow[]> {
    return this.ask('registryRows', () => super.registryRows(query))
  }

  override registryMark(): Promise<RegistryMark> {
    return this.ask('registryMark', () => super.registryMark())
  }

  #rows(): ClusterStore {
    const { rows, counters, base } = this.#world
    return {
      join: async (node) => {
        const joined = await this.ask('join', () => rows.join(node))
        this.session = joined.session
        this.endOfSettling()
        counters.joins += 1
        base.note(`${this.#node.name} has session ${joined.session.id}`)
        return joined
      },
      isAlive: (session) => this.#now('isAlive', () => rows.isAlive(session)),
      beat: (session, isDraining) => this.#now('beat', () => rows.beat(session, isDraining)),
      look: () => this.#now('look', () => rows.look()),
      lead: (session, from) => this.#now('lead', () => rows.lead(session, from)),
      take: (takings) =>
        this.#now('take', async () => {
          const taken = await rows.take(takings)
          counters.taken += taken.length
          base.note(`${this.#node.name} takes ${taken.join()}`)
          return taken
        }),
      shardMail: (shards) => this.ask('shardMail', () => rows.shardMail(shards)),
      recoverableOf: (...page) => this.ask('recoverableOf', () => rows.recoverableOf(...page)),
      firstEntries: (...page) => this.ask('firstEntries', () => rows.firstEntries(...page)),
      timersOf: (...page) => this.ask('timersOf', () => rows.timersOf(...page)),
    }
  }

  /** Whoever looks at the cluster is told that it cannot be seen, and looks again. */
  async #now<T>(name: string, effect: () => Promise<T>): Promise<T> {
    if (this.#node.cut() !== undefined) {
      await new Promise<void>((resolve) => void this.#node.clock.after(100, resolve))
      throw new PerdureError('STORE_FAILED', `${name}: the link is down`)
    }
    return this.ask(name, effect, true)
  }
}
