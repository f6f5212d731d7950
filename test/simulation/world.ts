/** One simulation: its time, its database, its faults, and what is written down for the checker. */
import type { Randomness } from '../../src/platform/randomness.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { DurableView } from './durable-view.ts'
import type { Acknowledgement, HistoryRead, Outage, StepCall } from './facts.ts'
import { type CrashSite, type FaultPlan, faultPlan, randomFor } from './fault-plan.ts'
import { Scheduler } from './scheduler.ts'
import type { TaskCall } from './task-facts.ts'
import { Trace } from './trace.ts'

export const START_MS = 1_750_000_000_000

export interface Counters {
  crashes: number
  crashesInFlight: number
  closes: number
  lateAcks: number
  stalls: number
  lostAcks: number
  lostAcksSettled: number
  overtaken: number
  arrivedAfterFence: number
  lostCommits: number
  fences: number
  failedCommits: number
  refusals: number
  commits: number
  stepCalls: number
  acknowledgements: number
}

const NO_COUNTS: Counters = {
  crashes: 0,
  crashesInFlight: 0,
  closes: 0,
  lateAcks: 0,
  stalls: 0,
  lostAcks: 0,
  lostAcksSettled: 0,
  overtaken: 0,
  arrivedAfterFence: 0,
  lostCommits: 0,
  fences: 0,
  failedCommits: 0,
  refusals: 0,
  commits: 0,
  stepCalls: 0,
  acknowledgements: 0,
}

export interface WorldOptions {
  /** Gets each line of the trace. */
  readonly print?: ((line: string) => void) | undefined
  readonly isOfTasks?: boolean | undefined
  /** Of several nodes: queues in which executions put tasks. Default: there is one engine, and executions have no tasks. */
  readonly queues?: number
  /** Default: that of the seed. */
  readonly plan?: FaultPlan
}

export class World {
  readonly seed: number
  /** Clients enqueue tasks, and start no executions. */
  readonly isOfTasks: boolean
  readonly queues: number
  readonly plan: FaultPlan
  readonly trace: Trace
  readonly scheduler: Scheduler
  readonly state = new MemoryState()
  readonly durable = new DurableView()
  readonly counters: Counters = { ...NO_COUNTS }
  readonly crashesBySite: Partial<Record<CrashSite, number>> = {}
  readonly storeRandom: Randomness
  readonly crashRandom: Randomness
  readonly workloadRandom: Randomness
  readonly engineRandom: Randomness
  readonly ledger: StepCall[] = []
  readonly acknowledgements: Acknowledgement[] = []
  readonly reads: HistoryRead[] = []
  readonly outages: Outage[] = []
  /** What went wrong while the simulation ran. */
  readonly faults: string[] = []
  readonly contestedIds = new Set<string>()
  readonly taskCalls: TaskCall[] = []
  /** Tasks that somebody has asked to retry: they may be anything again, within one batch. */
  readonly retriedTasks = new Set<string>()
  /** Tasks that somebody has asked to delete: they may be gone. */
  readonly deletedTasks = new Set<string>()
  /** The queue was paused, which was answered at this time, and nobody has asked to resume it. */
  pausedSinceMs: number | undefined
  /** What tasks of executions have answered, by run and operation. */
  readonly taskMarkers = new Set<string>()
  readonly stepCallsByKey = new Map<string, number>()
  isFaulty = true
  /** Commits are acknowledged, and lost: the database is about to move to a standby that does not have them. */
  isStandbyBehind = false
  /** Says what is wrong with a batch that is about to take effect. */
  guard: (batch: Batch) => readonly string[] = () => []
  /** Whether somebody else owns the run by now. */
  isOutdated: (session: Session | undefined, runId: RunId) => boolean = () => false
  #markers = 0

  constructor(
    seed: number,
    { print, isOfTasks = false, queues = 0, plan = faultPlan(seed) }: WorldOptions = {},
  ) {
    this.queues = queues
    this.seed = seed
    this.isOfTasks = isOfTasks
    this.plan = plan
    this.trace = new Trace(print)
    this.scheduler = new Scheduler(START_MS, randomFor(seed, 'schedule'), this.plan.tickShare)
    this.storeRandom = randomFor(seed, 'store')
    this.crashRandom = randomFor(seed, 'crash')
    this.workloadRandom = randomFor(seed, 'workload')
    this.engineRandom = randomFor(seed, 'engine')
  }

  get nowMs(): number {
    return this.scheduler.clock.nowMs()
  }

  get isClustered(): boolean {
    return this.queues > 0
  }

  newMarker(): string {
    this.#markers += 1
    return `m${this.#markers}`
  }

  note(line: string): void {
    this.trace.add(`${this.nowMs - START_MS} ${line}`)
  }

  /** Whether a crash happens here, to an instance that is alive. */
  drawCrash(site: CrashSite): boolean {
    const rate = this.plan.rates.crash[site]
    return this.isFaulty && rate > 0 && this.crashRandom() < rate
  }

  /** Whether a fault of this rate happens now. */
  draw(rate: number): boolean {
    return this.isFaulty && rate > 0 && this.storeRandom() < rate
  }

  outage(fromMs: number, toMs: number): void {
    this.outages.push({ fromMs, toMs })
  }

  isDurableMarker(marker: string): boolean {
    return this.durable.markers.has(marker)
  }

  seqOf(runId: RunId): number {
    return this.durable.seqOf(runId)
  }
}
