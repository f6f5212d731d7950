/**
 * The interface of load balancers: which worker gets the next task. The shipped ones and users' own implement it alike.
 *
 * A balancer only chooses. Who may be chosen is decided before it is asked: `WorkerFleet` counts what is in flight, knows
 * credits, ejected workers, labels, zones and affinity, and hands over the workers that remain. So a balancer needs one
 * method; the others tell it what happened, for those that learn from it.
 *
 * 1. A balancer returns one of the candidates. There is at least one.
 * 2. `added` comes before anything else about a worker, `removed` after it; a worker that comes back is a new object.
 * 3. A `slot` belongs to one worker from `added` to `removed`. After that a new worker may get it.
 * 4. Time and randomness are inputs. `nowMs` never falls.
 */

/** A worker as balancers see it. The fleet keeps it up to date; balancers only read. */
export interface BalancedWorker {
  readonly id: string
  /** A small number from 0 on, to index arrays by. Reused after the worker has left. */
  readonly slot: number
  /** Its share, relative to others. Default 1. */
  readonly weight: number
  /** Credits it grants: tasks it takes at once. */
  readonly capacity: number
  /** Tasks given to it that have not finished. */
  readonly inFlight: number
  readonly zone: string | undefined
  readonly labels: Readonly<Record<string, string>>
}

/** The workers that may be picked now, in no order; never empty when a balancer sees it. */
export interface Candidates {
  readonly size: number
  /** `index` from 0 to `size - 1`. Positions change whenever a worker becomes full or free. */
  at(index: number): BalancedWorker
  /** `at(index).slot`, cheaper. */
  slotAt(index: number): number
  has(worker: BalancedWorker): boolean
  /** The candidate with the lowest slot from `slot` on; after the highest, the lowest of all. */
  from(slot: number): BalancedWorker
  readonly totalWeight: number
  readonly totalInFlight: number
}

/** What is known about the task that needs a worker. */
export interface PickRequest {
  /** For `hash` and `consistent-hash`. Without it the task goes around the workers in turn. */
  readonly hashKey?: string
  /** For `ip-hash`: address of the client that started the work. Default 127.0.0.1, that of embedded callers. */
  readonly clientAddress?: string
  /** Tasks with the same key stick to a worker while it lives. */
  readonly affinityKey?: string
  /** False for a worker that cannot run the task. Default: all can. */
  readonly accepts?: (worker: BalancedWorker) => boolean
}

/** How one task ended on a worker. */
export interface Completion {
  readonly durationMs: number
  /** The attempt failed or timed out. */
  readonly failed: boolean
}

/** What a worker reports of itself, about once a second. */
export interface WorkerLoad {
  /** 0 to 1, of the cores it may use. */
  readonly cpu: number
  readonly eventLoopDelayMs: number
  /** 0 to 1, of the memory it may use. */
  readonly memory: number
  /** 0 to 1: the share of time in which its disk was busy. */
  readonly diskIo: number
  /** Tasks of all queues. */
  readonly inFlight: number
}

export interface LoadBalancer {
  pick(candidates: Candidates, request: PickRequest, nowMs: number): BalancedWorker
  added?(worker: BalancedWorker, nowMs: number): void
  removed?(worker: BalancedWorker, nowMs: number): void
  /** `worker.weight` has changed. */
  reweighted?(worker: BalancedWorker, nowMs: number): void
  started?(worker: BalancedWorker, nowMs: number): void
  finished?(worker: BalancedWorker, completion: Completion, nowMs: number): void
  reported?(worker: BalancedWorker, load: WorkerLoad, nowMs: number): void
}

/** Uniform in [0, 1). */
export type Random = () => number
