/** What the benchmark prints for one measurement. */

import type { StoreName } from './lanes.ts'
import type { LoopMeasures, StoreCounts } from './meter.ts'

export interface Latency {
  readonly p50: number
  readonly p99: number
}

export interface BenchResult {
  readonly workload: string
  readonly store: StoreName
  readonly inFlight: number
  readonly executionsPerSecond: number
  readonly stepsPerSecond: number
  readonly latencyMs: Latency
  readonly bare: {
    readonly executionsPerSecond: number
    readonly stepsPerSecond: number
    readonly latencyMs: Latency
  }
  /** Steps per second of the engine to those of the bare loop; executions where there are no steps. */
  readonly ratio: number
  readonly rssMiB: number
  readonly perExecution: { readonly engine: StoreCounts; readonly bare: StoreCounts }
  /** Each round's ratio. */
  readonly roundRatios: readonly number[]
  /** What only this workload has, such as `readySeconds`; printed among the others. */
  readonly figures?: { readonly [name: string]: unknown }
  /** What is asked for, in words; null if nothing is asked for with these options. */
  readonly target: string | null
  readonly met: boolean | null
}

export interface Round {
  readonly engine: LoopMeasures
  readonly bare: LoopMeasures
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** The median of each figure, by itself. */
export function medianMeasures(rounds: readonly LoopMeasures[]): LoopMeasures {
  const of = (figure: (measures: LoopMeasures) => number): number => rounded(median(rounds.map(figure)))
  return {
    executions: of(({ executions }) => executions),
    executionsPerSecond: of((each) => each.executionsPerSecond),
    stepsPerSecond: of((each) => each.stepsPerSecond),
    latencyMs: { p50: of((each) => each.latencyMs.p50), p99: of((each) => each.latencyMs.p99) },
    rssMiB: of((each) => each.rssMiB),
    perExecution: {
      commits: of((each) => each.perExecution.commits),
      rows: of((each) => each.perExecution.rows),
      fsyncs: of((each) => each.perExecution.fsyncs),
    },
  }
}

/** Four significant digits: more would be noise. */
export function rounded(value: number): number {
  if (!Number.isFinite(value)) return value
  return Number(value.toPrecision(Math.max(4, Math.ceil(Math.log10(Math.abs(value) || 1)))))
}

/** A share of `over`; 0 when there is nothing to compare with. */
export function ratioOf(value: number, over: number): number {
  return over === 0 ? 0 : rounded(value / over)
}

/** A result without a target, from rounds of engine and bare loop. */
export function resultOf(
  about: Pick<BenchResult, 'workload' | 'store' | 'inFlight'>,
  rounds: readonly Round[],
): BenchResult {
  const engine = medianMeasures(rounds.map((round) => round.engine))
  const bare = medianMeasures(rounds.map((round) => round.bare))
  const speed = (measures: LoopMeasures): number => measures.stepsPerSecond || measures.executionsPerSecond
  const { executionsPerSecond, stepsPerSecond, latencyMs, rssMiB } = engine
  return {
    ...about,
    executionsPerSecond,
    stepsPerSecond,
    latencyMs,
    bare: {
      executionsPerSecond: bare.executionsPerSecond,
      stepsPerSecond: bare.stepsPerSecond,
      latencyMs: bare.latencyMs,
    },
    ratio: ratioOf(speed(engine), speed(bare)),
    rssMiB,
    perExecution: { engine: engine.perExecution, bare: bare.perExecution },
    roundRatios: rounds.map((round) => ratioOf(speed(round.engine), speed(round.bare))),
    target: null,
    met: null,
  }
}

/** One line for programs. */
export function jsonLineOf({ figures, ...common }: BenchResult): string {
  return JSON.stringify({ ...common, ...figures })
}
