/**
 * Measures one loop of lanes: executions that end one after the other, some number of them in flight.
 *
 * The first tenth warms the process up and is not measured. The measured part ends while all lanes are still busy, so that
 * no emptying pipe is in it; what is in flight then is finished and not counted.
 */
import type { DatabaseCost } from './database-cost.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** How long a loop goes on. */
export type Extent = { readonly executions: number } | { readonly durationMs: number }

export interface StoreCounts {
  readonly commits: number
  /** Rows written, the row of each commit included. */
  readonly rows: number
  /** Calls of fsync: see `fsync-count.ts`. */
  readonly fsyncs: number
}

export interface LoopMeasures {
  readonly executions: number
  readonly executionsPerSecond: number
  readonly stepsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly rssMiB: number
  readonly perExecution: StoreCounts
  /** Processor time of the process, all its threads, of the measured part. */
  readonly cpuMicrosPerStep?: number
  /** Of a server, per step, over the whole loop. */
  readonly database?: DatabaseCost
}

const WARM_UP_SHARE = 0.1
/** Executions end in groups, as they share commits: a time that is measured has at least this many groups. */
const GROUPS_MIN = 4

export class Meter {
  readonly #extent: Extent
  readonly #stepsPerExecution: number
  readonly #inFlight: number
  readonly #counts: () => StoreCounts
  readonly #latency = new LatencyHistogram()
  readonly #startedAtMs = performance.now()
  #finished = 0
  #beganAtMs: number | undefined
  #endedAtMs: number | undefined
  #before: StoreCounts = { commits: 0, rows: 0, fsyncs: 0 }
  #after: StoreCounts = this.#before
  #rssBytes = 0
  #cpuMicros = 0

  constructor(
    load: { readonly extent: Extent; readonly stepsPerExecution: number; readonly inFlight: number },
    counts: () => StoreCounts,
  ) {
    this.#extent = load.extent
    this.#stepsPerExecution = load.stepsPerExecution
    this.#inFlight = load.inFlight
    this.#counts = counts
  }

  /** A lane may start another execution. */
  get isOn(): boolean {
    return this.#endedAtMs === undefined
  }

  /** An execution has ended durably. */
  finished(latencyMs: number): void {
    if (this.#endedAtMs !== undefined) return
    this.#finished += 1
    const now = performance.now()
    if (this.#beganAtMs === undefined) {
      if (!this.#isPast(now, WARM_UP_SHARE)) return
      this.#beganAtMs = now
      this.#before = this.#counts()
      this.#cpuMicros = cpuMicros()
      return
    }
    this.#latency.record(latencyMs)
    if (!this.#isPast(now, 1 + WARM_UP_SHARE)) return
    this.#endedAtMs = now
    this.#after = this.#counts()
    this.#cpuMicros = cpuMicros() - this.#cpuMicros
    this.#rssBytes = process.memoryUsage.rss()
  }

  measures(): LoopMeasures {
    const executions = this.#latency.count
    if (this.#beganAtMs === undefined || this.#endedAtMs === undefined || executions === 0)
      throw new Error('the loop ended before anything was measured')
    const executionsPerSecond = (executions * 1000) / (this.#endedAtMs - this.#beganAtMs)
    const per = (name: keyof StoreCounts): number => (this.#after[name] - this.#before[name]) / executions
    return {
      executions,
      executionsPerSecond,
      stepsPerSecond: executionsPerSecond * this.#stepsPerExecution,
      latencyMs: { p50: this.#latency.quantileMs(0.5), p99: this.#latency.quantileMs(0.99) },
      rssMiB: this.#rssBytes / 2 ** 20,
      cpuMicrosPerStep: this.#cpuMicros / (executions * this.#stepsPerExecution),
      perExecution: { commits: per('commits'), rows: per('rows'), fsyncs: per('fsyncs') },
    }
  }

  #isPast(nowMs: number, share: number): boolean {
    if ('executions' in this.#extent) return this.#finished >= Math.ceil(this.#extent.executions * share)
    const groups = this.#beganAtMs === undefined ? 1 : 1 + GROUPS_MIN
    if (this.#finished < groups * this.#inFlight) return false
    return nowMs - this.#startedAtMs >= this.#extent.durationMs * share
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
