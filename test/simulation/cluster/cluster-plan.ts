/** Which faults a seed of the cluster injects beside those of the store, and what is counted. */
import { type FaultPlan, faultPlan, randomFor } from '../fault-plan.ts'

export interface ClusterRates {
  /** Per macrotask. */
  readonly pause: number
  readonly databaseCut: number
  readonly cut: number
  readonly leave: number
  readonly join: number
  readonly fenced: number
  /** The database moves to its standby, which has all that was acknowledged. */
  readonly failOver: number
  /** Per frame. */
  readonly lost: number
  readonly broken: number
  /** Per call of a client, each way. */
  readonly clientLost: number
}

export interface ClusterPlan {
  readonly base: FaultPlan
  readonly rates: ClusterRates
  readonly nodes: number
  readonly mostNodes: number
  readonly shards: number
  readonly queues: number
  readonly latencyMs: number
  /** How long what runs in a shard may end before it is handed over. */
  readonly handOverMs: number
}

export const MOST_NODES = 5
/** Time that a node, the links and the detectors may take to find out what has happened. */
const LATENESS_MS = 60_000

export function clusterPlan(seed: number): ClusterPlan {
  const random = randomFor(seed, 'cluster plan')
  const rate = (share: number, most: number): number => (random() < share ? (0.2 + 0.8 * random()) * most : 0)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const base = faultPlan(seed)
  const nodes = 3 + Math.floor(random() * 3)
  return {
    base: {
      ...base,
      latenessMs: base.latenessMs + LATENESS_MS,
      latencyMs: Math.min(base.latencyMs, 5),
      rates: { ...base.rates, fenced: 0, close: 0 },
    },
    rates: {
      pause: rate(0.7, 4e-4),
      databaseCut: rate(0.5, 2e-4),
      cut: rate(0.6, 3e-4),
      leave: rate(0.6, 3e-4),
      join: rate(0.5, 3e-4),
      fenced: rate(0.4, 2e-4),
      lost: rate(0.5, 0.004),
      broken: rate(0.6, 0.01),
      clientLost: rate(0.6, 0.02),
      failOver: rate(0.5, 1e-4),
    },
    nodes,
    mostNodes: Math.min(MOST_NODES, nodes + Math.floor(random() * 2)),
    shards: pick([8, 16, 32]),
    queues: 1 + Math.floor(random() * 5),
    latencyMs: pick([0, 2, 10, 40]),
    handOverMs: pick([0, 20, 200]),
  }
}

export interface ClusterCounters {
  joins: number
  leaves: number
  pauses: number
  /** Faults of nodes and links while they had something to do. */
  inFlight: number
  databaseCuts: number
  failOvers: number
  cuts: number
  broken: number
  /** Frames that did not arrive. */
  framesLost: number
  frames: number
  clientsLost: number
  fencedByOthers: number
  /** Sessions of nodes that were found dead. */
  fencedAsDead: number
  /** Shards. */
  taken: number
  handedOver: number
  /** Batches of sessions that were fenced: none took effect. */
  fencedBatches: number
  /** Messages between nodes that were applied, and that came again. */
  applied: number
  repeated: number
  /** Steps that a node began that had lost their shard. */
  outdatedSteps: number
}

export function noClusterCounts(): ClusterCounters {
  return {
    joins: 0,
    leaves: 0,
    pauses: 0,
    inFlight: 0,
    databaseCuts: 0,
    failOvers: 0,
    cuts: 0,
    broken: 0,
    framesLost: 0,
    frames: 0,
    clientsLost: 0,
    fencedByOthers: 0,
    fencedAsDead: 0,
    taken: 0,
    handedOver: 0,
    fencedBatches: 0,
    applied: 0,
    repeated: 0,
    outdatedSteps: 0,
  }
}
