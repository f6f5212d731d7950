/**
 * What it costs that the engine observes itself, by metrics and by traces: the three no-op steps of `steps`, on an engine that does
 * not and on ones that do. Rounds of all alternate, and each pair begins with the other one: a machine that becomes slower is slower for both.
 */
import type { EngineLanesOrder } from '../lanes.ts'
import type { LoopMeasures } from '../meter.ts'
import { median, rounded } from '../result.ts'
import { markdownTable, numberText, type TableOptions, type TableWorkload } from './table-workload.ts'
import { inDirectory, taskAnswer } from './workload.ts'

const IN_FLIGHT = [64, 1000]
const STORES = ['sqlite', 'memory'] as const
/** More than other workloads have: a few percent are looked for. */
const PAIRS_PER_ROUND = 3

/** What of the engine is observed. */
type Observed = Pick<EngineLanesOrder, 'metrics' | 'tracing'>

interface Row {
  readonly workload: 'metrics'
  readonly store: (typeof STORES)[number]
  readonly inFlight: number
  readonly observes: string
  readonly stepsPerSecond: number
  /** Of a pair, the steps per second of the engine that observes to those of the one that does not: the median. */
  readonly ratio: number
  readonly pairRatios: readonly number[]
  /** The same of the processor time of a step, which other programs on the machine disturb less: below 1, it takes more. */
  readonly cpuRatio: number
}

const VARIANTS = {
  none: { metrics: false },
  metrics: { metrics: true },
  'traces, no SDK': { metrics: false, tracing: 'api' },
  'traces, 1 % sampled': { metrics: false, tracing: 'sampled' },
  'traces, all': { metrics: false, tracing: 'recorded' },
  'metrics, traces 1 %': { metrics: true, tracing: 'sampled' },
} as const satisfies Record<string, Observed>
type Variant = keyof typeof VARIANTS
const NAMES = Object.keys(VARIANTS) as Variant[]

export const metrics: TableWorkload<Row> = {
  name: 'metrics',
  about: 'steps on engines that observe themselves, by metrics and traces, against one that does not',
  rows: async function* (options) {
    for (const store of STORES)
      for (const inFlight of options.inFlight === undefined ? IN_FLIGHT : [options.inFlight])
        yield* measure(options, store, inFlight)
  },
  tableOf: (rows) =>
    markdownTable(
      ['store', 'in flight', 'observes', 'steps/s', 'against none', 'by processor time', 'of each pair'],
      rows.map(({ store, inFlight, observes, stepsPerSecond, ratio, cpuRatio, pairRatios }) => [
        store,
        numberText(inFlight),
        observes,
        numberText(stepsPerSecond),
        ratio.toFixed(3),
        cpuRatio.toFixed(3),
        pairRatios.map((each) => each.toFixed(2)).join(' '),
      ]),
    ),
}

async function* measure(
  options: TableOptions,
  store: Row['store'],
  inFlight: number,
): AsyncGenerator<Row, void, undefined> {
  const measures = new Map<Variant, LoopMeasures[]>(NAMES.map((name) => [name, []]))
  const pairs = options.isQuick ? 1 : options.rounds * PAIRS_PER_ROUND
  for (let pair = 0; pair < pairs; pair++) {
    for (const name of pair % 2 === 0 ? NAMES : NAMES.toReversed()) {
      const about = `metrics, ${store}, ${inFlight} in flight, pair ${pair + 1} of ${pairs}: ${name}`
      options.progress(about)
      measures.get(name)?.push(await runOnce(options, { store, inFlight, ...VARIANTS[name] }))
    }
  }
  const of = (name: Variant): readonly LoopMeasures[] => measures.get(name) ?? []
  const speeds = (name: Variant): number[] => of(name).map((each) => each.stepsPerSecond)
  const costs = (name: Variant): number[] =>
    of(name).map(({ cpuMicrosPerStep = Number.NaN }) => cpuMicrosPerStep)
  const ratios = (values: readonly number[], over: readonly number[]): number[] =>
    values.map((value, i) => rounded(value / (over[i] ?? Number.NaN)))
  for (const name of NAMES) {
    const pairRatios = ratios(speeds(name), speeds('none'))
    yield {
      workload: 'metrics',
      store,
      inFlight,
      observes: name,
      stepsPerSecond: Math.round(median(speeds(name))),
      ratio: rounded(median(pairRatios)),
      pairRatios,
      cpuRatio: rounded(median(ratios(costs('none'), costs(name)))),
    }
  }
}

function runOnce(
  { directory, nodeFlags, executions, roundMs }: TableOptions,
  order: Observed & { readonly store: Row['store']; readonly inFlight: number },
): Promise<LoopMeasures> {
  const extent = executions === undefined ? { durationMs: roundMs } : { executions }
  return inDirectory(directory, (files) =>
    taskAnswer({ nodeFlags }, 'engine-lanes', { workflow: 'steps', ...order, directory: files, extent }),
  )
}
