/** One simulation of a cluster: the world with its database and its time, and the faults of nodes and network. */
import type { Randomness } from '../../../src/platform/randomness.ts'
import { MemoryCluster } from '../../../src/store/memory/memory-cluster.ts'
import { randomFor } from '../fault-plan.ts'
import { World } from '../world.ts'
import { type ClusterCounters, type ClusterPlan, clusterPlan, noClusterCounts } from './cluster-plan.ts'
import { OwnershipCheck } from './ownership-check.ts'

export interface ClusterWorldOptions {
  readonly print?: ((line: string) => void) | undefined
  /** Default false. */
  readonly isLying?: boolean | undefined
  /** The standby of the database is an asynchronous one: a fail-over loses what was acknowledged last. Default false. */
  readonly isAsynchronous?: boolean | undefined
}

export class ClusterWorld {
  readonly base: World
  readonly plan: ClusterPlan
  readonly counters: ClusterCounters = noClusterCounts()
  /** The rows that all nodes share. */
  readonly rows: MemoryCluster
  /** Of network and nodes. */
  readonly random: Randomness
  /** Pairs of nodes, `from to`, between which nothing arrives until then. */
  readonly #cuts = new Map<string, number>()

  /** What coordinators say until the faults stop is made up. */
  readonly isLying: boolean

  readonly isAsynchronous: boolean

  constructor(seed: number, { print, isLying = false, isAsynchronous = false }: ClusterWorldOptions = {}) {
    this.isLying = isLying
    this.isAsynchronous = isAsynchronous
    this.plan = clusterPlan(seed)
    const { base, queues, shards } = this.plan
    this.base = new World(seed, { print, queues, plan: base })
    this.random = randomFor(seed, 'network')
    this.rows = new MemoryCluster(shards, () => this.base.nowMs, this.base.state)
    const check = new OwnershipCheck(this.base.state, this.counters)
    this.base.guard = (batch) => check.violationsOf(batch)
    this.base.isOutdated = (session, runId) => {
      const shard = this.base.state.runs.get(runId)?.row?.shard ?? -1
      const isOutdated = this.base.state.shards[shard]?.owner !== session?.id
      if (isOutdated) this.counters.outdatedSteps += 1
      return isOutdated
    }
  }

  /** Whether a fault of this rate happens now. */
  draw(rate: number): boolean {
    return rate > 0 && this.base.isFaulty && this.random() < rate
  }

  /** A whole number below `end`. */
  upTo(end: number): number {
    return Math.floor(this.random() * end)
  }

  after(ms: number, call: () => void): void {
    this.base.scheduler.clock.after(ms, call)
  }

  cut(from: string, to: string, forMs: number): void {
    this.#cuts.set(`${from} ${to}`, this.base.nowMs + forMs)
  }

  isCut(from: string, to: string): boolean {
    return this.base.isFaulty && this.base.nowMs < (this.#cuts.get(`${from} ${to}`) ?? 0)
  }
}
