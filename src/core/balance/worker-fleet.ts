/**
 * The workers of one task queue, and what all load balancers have in common: who may be picked at all.
 *
 * The owner of a queue calls `pick`, gives the task to the worker, and tells `started`; later `finished`. A worker that becomes full
 * leaves the candidates at once and comes back with the next credit, so a pick looks only at workers that can be picked.
 *
 * 1. Picked is only a worker that has a free credit, is not ejected, and accepts the task.
 * 2. Without affinity `pick` is undefined only if there is no such worker. With affinity also if the key's worker lives, accepts
 *    the task, and cannot take it now: the task waits for it, or goes elsewhere with `affinity: 'prefer'`.
 * 3. Zones: a worker of a farther zone is picked only if no nearer zone has a candidate.
 * 4. `worker.inFlight` rises with `started` and falls with `finished`; completions of a worker that has left are told apart.
 * 5. Time never falls: an earlier `nowMs` than before counts as the one before.
 */
import { PerdureError } from '../../protocol/errors.ts'
import { Affinity } from './affinity.ts'
import { CandidateSet } from './candidate-set.ts'
import type { BalancedWorker, Completion, LoadBalancer, PickRequest, WorkerLoad } from './load-balancer.ts'
import {
  DEFAULT_EJECTION,
  type EjectionOptions,
  type Health,
  newHealth,
  OutlierEjection,
  type Peers,
} from './outlier-ejection.ts'

export interface WorkerSpec {
  readonly id: string
  /** Default 1; more than 0, at most 1,000. */
  readonly weight?: number
  /** Credits it grants, 0 or more; 0 while it drains. */
  readonly capacity: number
  readonly zone?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface FleetOptions {
  /** Zones, nearest first; then all others alike. Default: no preference. */
  readonly zones?: readonly string[]
  /** What a task does whose worker cannot take it now: wait, or go elsewhere this time. Default 'require'. */
  readonly affinity?: 'require' | 'prefer'
  /** Keys that are remembered. Default 100,000. */
  readonly affinityKeysMax?: number
  /** Default as `DEFAULT_EJECTION`. */
  readonly ejection?: Partial<EjectionOptions> | false
  /** Default 16,384. */
  readonly workersMax?: number
}

export const WEIGHT_MAX = 1000
const AFFINITY_KEYS_MAX = 100_000
const WORKERS_MAX = 16_384
const NO_LABELS: Readonly<Record<string, string>> = {}

class FleetWorker implements BalancedWorker {
  readonly id: string
  readonly slot: number
  readonly zone: string | undefined
  readonly labels: Readonly<Record<string, string>>
  weight: number
  capacity: number
  inFlight = 0
  hasLeft = false
  /** The candidates of its zone, if that is one of the preferred. */
  readonly near: CandidateSet | undefined
  readonly health: Health = newHealth()

  constructor(
    { id, weight = 1, capacity, zone, labels = NO_LABELS }: WorkerSpec,
    slot: number,
    near?: CandidateSet,
  ) {
    this.id = id
    this.slot = slot
    this.weight = weight
    this.capacity = capacity
    this.zone = zone
    this.labels = labels
    this.near = near
  }
}

export class WorkerFleet {
  private balancer: LoadBalancer
  private readonly workers = new Map<string, FleetWorker>()
  private readonly workersMax: number
  private readonly freeSlots: number[] = []
  private readonly affinityMode: 'require' | 'prefer'
  private readonly affinity: Affinity<FleetWorker>
  private readonly ejection: OutlierEjection<FleetWorker> | undefined
  private groups: () => Iterable<Peers<BalancedWorker>> = () => []
  private readonly all = new CandidateSet()
  /** By zone, nearest first. */
  private readonly nearest = new Map<string, CandidateSet>()
  private readonly accepting = new CandidateSet()
  private nowMs = Number.NEGATIVE_INFINITY

  /** Throws `ARGUMENT_INVALID` for an option out of its bounds. */
  constructor(balancer: LoadBalancer, options: FleetOptions = {}) {
    const { zones = [], affinity = 'require', ejection = {} } = options
    checkOptions(options)
    this.balancer = balancer
    this.workersMax = options.workersMax ?? WORKERS_MAX
    this.affinityMode = affinity
    this.affinity = new Affinity(options.affinityKeysMax ?? AFFINITY_KEYS_MAX)
    for (const zone of zones) this.nearest.set(zone, new CandidateSet())
    if (ejection !== false)
      this.ejection = new OutlierEjection<FleetWorker>(
        { ...DEFAULT_EJECTION, ...ejection },
        (worker) => this.refresh(worker),
        () => this.groups(),
      )
  }

  /** Another balancer picks from now on: it is told of all workers and of what they run. What it learns it learns anew. */
  balanceBy(balancer: LoadBalancer, nowMs: number): void {
    const now = this.advance(nowMs)
    this.balancer = balancer
    for (const worker of this.workers.values()) {
      balancer.added?.(worker, now)
      for (let task = 0; task < worker.inFlight; task++) balancer.started?.(worker, now)
    }
  }

  /** Workers that could be picked now, for a task that all of them accept. */
  get candidateCount(): number {
    return this.all.size
  }

  /** Whether a task that such workers accept could be given to one now. */
  hasCandidate(nowMs: number, accepts?: (worker: BalancedWorker) => boolean): boolean {
    this.advance(nowMs)
    if (accepts === undefined) return this.all.size > 0
    for (let index = 0; index < this.all.size; index++) if (accepts(this.all.at(index))) return true
    return false
  }

  /** When the next ejected worker is let back: ask again then, if nothing happens before. Infinite if there is none. */
  get nextReturnMs(): number {
    return this.ejection?.nextReturnMs ?? Number.POSITIVE_INFINITY
  }

  get(workerId: string): BalancedWorker | undefined {
    return this.workers.get(workerId)
  }

  isEjected(workerId: string): boolean {
    return this.ejectedUntilMs(workerId) !== undefined
  }

  ejectedUntilMs(workerId: string): number | undefined {
    return this.workers.get(workerId)?.health.ejectedUntilMs
  }

  /** Groups of workers that can run the same tasks: of each one stays that is not ejected. Default: only the whole fleet. */
  groupBy(groups: () => Iterable<Peers<BalancedWorker>>): void {
    this.groups = groups
  }

  /** A group is new, or has changed: one of it is let back if all of them are ejected. */
  keepOne(peers: Peers<BalancedWorker>, nowMs: number): void {
    this.ejection?.keepOne(peers, this.advance(nowMs))
  }

  /** Throws `ARGUMENT_INVALID` for an id that is here already, and `OVERLOADED` beyond `workersMax`. */
  add(spec: WorkerSpec, nowMs: number): BalancedWorker {
    if (this.workers.has(spec.id)) throw invalid(`worker '${spec.id}' has been added already`)
    if (this.workers.size >= this.workersMax)
      throw new PerdureError('OVERLOADED', `a task queue has at most ${this.workersMax} workers`)
    checkWeight(spec.weight ?? 1)
    checkCapacity(spec.capacity)
    const now = this.advance(nowMs)
    // Slots are 0..n-1 without gaps, but for the free ones.
    const worker = new FleetWorker(
      spec,
      this.freeSlots.pop() ?? this.workers.size,
      this.nearest.get(spec.zone ?? ''),
    )
    this.workers.set(worker.id, worker)
    this.ejection?.add(worker)
    this.balancer.added?.(worker, now)
    this.refresh(worker)
    return worker
  }

  /** False if there is no such worker. Its tasks are the caller's to give to others. */
  remove(workerId: string, nowMs: number): boolean {
    const worker = this.workers.get(workerId)
    if (worker === undefined) return false
    const now = this.advance(nowMs)
    this.workers.delete(workerId)
    worker.hasLeft = true
    this.refresh(worker)
    this.ejection?.remove(worker, now)
    this.balancer.removed?.(worker, now)
    this.freeSlots.push(worker.slot)
    return true
  }

  /** Takes new credits or a new weight; false if there is no such worker. Throws `ARGUMENT_INVALID`. */
  update(
    workerId: string,
    change: { readonly weight?: number; readonly capacity?: number },
    nowMs: number,
  ): boolean {
    const worker = this.workers.get(workerId)
    if (worker === undefined) return false
    const { weight = worker.weight, capacity = worker.capacity } = change
    checkWeight(weight)
    checkCapacity(capacity)
    const now = this.advance(nowMs)
    worker.capacity = capacity
    if (weight !== worker.weight) {
      if (this.all.has(worker)) {
        this.all.reweigh(weight - worker.weight)
        worker.near?.reweigh(weight - worker.weight)
      }
      worker.weight = weight
      this.balancer.reweighted?.(worker, now)
    }
    this.refresh(worker)
    return true
  }

  /** The worker for a task, or undefined if the task must wait. */
  pick(request: PickRequest, nowMs: number): BalancedWorker | undefined {
    const now = this.advance(nowMs)
    const { affinityKey } = request
    if (affinityKey === undefined) return this.choose(request, now)
    const own = this.affinity.workerOf(affinityKey)
    // A worker that cannot run this task at all is not worth waiting for: the key moves.
    if (own === undefined || request.accepts?.(own) === false) {
      const worker = this.choose(request, now)
      if (worker !== undefined) this.affinity.bind(affinityKey, worker)
      return worker
    }
    if (this.all.has(own)) return own
    return this.affinityMode === 'prefer' ? this.choose(request, now) : undefined
  }

  /** The task has been given to the worker. False if it has left. */
  started(workerId: string, nowMs: number): boolean {
    const worker = this.workers.get(workerId)
    if (worker === undefined) return false
    const now = this.advance(nowMs)
    this.count(worker, 1)
    this.balancer.started?.(worker, now)
    return true
  }

  /** The task has ended there. False if the worker has left. */
  finished(workerId: string, completion: Completion, nowMs: number): boolean {
    const worker = this.workers.get(workerId)
    if (worker === undefined) return false
    if (worker.inFlight === 0)
      throw new Error(`invariant: worker '${workerId}' finished more than was started`)
    const now = this.advance(nowMs)
    this.count(worker, -1)
    this.balancer.finished?.(worker, completion, now)
    this.ejection?.finished(worker, completion.failed, now)
    return true
  }

  /** False if the worker has left. Throws `ARGUMENT_INVALID` for a load that is no number of 0 or more. */
  reported(workerId: string, load: WorkerLoad, nowMs: number): boolean {
    for (const [name, value] of Object.entries(load))
      if (!Number.isFinite(value) || value < 0) throw invalid(`worker '${workerId}' reports ${name} ${value}`)
    const worker = this.workers.get(workerId)
    if (worker === undefined) return false
    this.balancer.reported?.(worker, load, this.advance(nowMs))
    return true
  }

  private choose(request: PickRequest, nowMs: number): FleetWorker | undefined {
    if (this.all.size === 0) return undefined
    for (const candidates of this.nearest.values()) {
      const worker = this.chooseFrom(candidates, request, nowMs)
      if (worker !== undefined) return worker
    }
    return this.chooseFrom(this.all, request, nowMs)
  }

  private chooseFrom(free: CandidateSet, request: PickRequest, nowMs: number): FleetWorker | undefined {
    const { accepts } = request
    let candidates = free
    if (accepts !== undefined) {
      candidates = this.accepting
      candidates.clear()
      for (let index = 0; index < free.size; index++) {
        const worker = free.at(index)
        if (accepts(worker)) candidates.add(worker)
      }
    }
    if (candidates.size === 0) return undefined
    // One of the user's own may give anything.
    const worker: BalancedWorker | undefined = this.balancer.pick(candidates, request, nowMs)
    if (worker === undefined || !candidates.has(worker))
      throw new Error(`invariant: the load balancer picked '${worker?.id}', which is no candidate`)
    return worker as FleetWorker
  }

  private count(worker: FleetWorker, change: number): void {
    if (this.all.has(worker)) {
      this.all.count(change)
      worker.near?.count(change)
    }
    worker.inFlight += change
    this.refresh(worker)
  }

  /** Puts the worker among the candidates, or takes it out. */
  private refresh(worker: FleetWorker): void {
    const isFree =
      worker.inFlight < worker.capacity && worker.health.ejectedUntilMs === undefined && !worker.hasLeft
    if (isFree === this.all.has(worker)) return
    if (isFree) {
      this.all.add(worker)
      worker.near?.add(worker)
    } else {
      this.all.delete(worker)
      worker.near?.delete(worker)
    }
  }

  private advance(nowMs: number): number {
    this.nowMs = Math.max(this.nowMs, nowMs)
    this.ejection?.advance(this.nowMs)
    return this.nowMs
  }
}

const invalid = (detail: string): PerdureError => new PerdureError('ARGUMENT_INVALID', detail)

function checkOptions({ workersMax, affinityKeysMax, ejection }: FleetOptions): void {
  const atLeast = (min: number, options: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(options))
      if (value !== undefined && !(typeof value === 'number' && value >= min))
        throw invalid(`${name} is ${String(value)}, not a number of ${min} or more`)
  }
  atLeast(1, { workersMax, affinityKeysMax })
  if (ejection === undefined || ejection === false) return
  const { consecutiveFailures, intervalMs, baseEjectionMs, maxEjectionMs, maxEjectedShare, successRate } =
    ejection
  atLeast(1, { consecutiveFailures, intervalMs, baseEjectionMs, maxEjectionMs })
  atLeast(0, { maxEjectedShare, ...(successRate === false ? {} : successRate) })
}

function checkWeight(weight: number): void {
  if (!(weight > 0 && weight <= WEIGHT_MAX))
    throw invalid(`weight ${weight} is not above 0 and at most ${WEIGHT_MAX}`)
}

function checkCapacity(capacity: number): void {
  if (!(capacity >= 0)) throw invalid(`capacity ${capacity} is not a number of 0 or more`)
}
