/** Three no-op steps, one after the other: with 1, 64 and 1,000 executions in flight. */

import type { EngineLanesOrder, LanesOrder } from '../lanes.ts'
import type { LoopMeasures } from '../meter.ts'
import { type BenchResult, median, type Round, resultOf, rounded } from '../result.ts'
import { type BenchOptions, inDirectory, taskAnswer, type Workload } from './workload.ts'

const IN_FLIGHT = [1, 64, 1000]
const RATIO_MIN = 0.5
const LATENCY_RATIO_MAX = 1.5
const STEPS = 3

export const steps: Workload = {
  name: 'steps',
  about: 'three no-op steps, one after the other; 1, 64 and 1,000 executions in flight unless given',
  stores: ['sqlite', 'postgres', 'memory'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    for (const inFlight of options.inFlight === undefined ? IN_FLIGHT : [options.inFlight])
      yield await measureSteps(options, inFlight)
  },
}

async function measureSteps(options: BenchOptions, inFlight: number): Promise<BenchResult> {
  const { store } = options
  const rounds: Round[] = []
  for (let round = 1; round <= options.rounds; round++) {
    const about = `steps, ${store}, ${inFlight} in flight, round ${round} of ${options.rounds}`
    const engine = await runLanes(options, 'engine-lanes', { workflow: 'steps', inFlight }, about)
    const bare = await runLanes(options, 'bare-lanes', { workflow: 'steps', inFlight }, about)
    rounds.push({ engine, bare })
  }
  const result = {
    ...resultOf({ workload: 'steps', store, inFlight }, rounds),
    ...databaseFigures(rounds),
  }
  if (store === 'memory') return result
  const { latencyMs, bare, ratio } = result
  const isFast = latencyMs.p50 <= LATENCY_RATIO_MAX * bare.latencyMs.p50
  return inFlight === 1
    ? { ...result, target: `p50 <= ${LATENCY_RATIO_MAX} x bare p50`, met: isFast }
    : { ...result, target: `ratio >= ${RATIO_MIN}`, met: ratio >= RATIO_MIN }
}

/** What a step costs the database, beside the engine's own work. */
function databaseFigures(rounds: readonly Round[]): Pick<BenchResult, 'figures'> {
  const costs = rounds.flatMap(({ engine }) => (engine.database === undefined ? [] : [engine]))
  if (costs.length === 0) return {}
  const of = (figure: (measures: LoopMeasures) => number | undefined): number =>
    rounded(median(costs.map((each) => figure(each) ?? Number.NaN)))
  return {
    figures: {
      walBytesPerStep: of(({ database }) => database?.walBytes),
      databaseCpuMicrosPerStep: of(({ database }) => database?.cpuMicros),
      roundTripsPerStep: of(({ perExecution }) => perExecution.commits / STEPS),
    },
  }
}

/** One round of lanes on an empty store. */
export function runLanes(
  options: BenchOptions,
  task: 'engine-lanes' | 'bare-lanes',
  load: Pick<LanesOrder, 'workflow' | 'inFlight'>,
  about: string,
): Promise<LoopMeasures> {
  if (task === 'engine-lanes') return runEngine(options, load, about)
  return measured(options, `${about}: bare loop`, (order) => taskAnswer(options, task, { ...load, ...order }))
}

/** The same on the engine alone. */
export function runEngine(
  options: BenchOptions,
  load: Pick<EngineLanesOrder, 'workflow' | 'inFlight'>,
  about: string,
): Promise<LoopMeasures> {
  return measured(options, `${about}: engine`, (order) =>
    taskAnswer(options, 'engine-lanes', { ...load, ...order }),
  )
}

function measured(
  options: BenchOptions,
  about: string,
  run: (order: Pick<LanesOrder, 'store' | 'directory' | 'extent'>) => Promise<LoopMeasures>,
): Promise<LoopMeasures> {
  const { store, executions, roundMs } = options
  const extent = executions === undefined ? { durationMs: roundMs } : { executions }
  options.progress(about)
  return inDirectory(options.directory, async (directory) => {
    const measures = await run({ store, directory, extent })
    options.progress(`${about}: ${rounded(measures.stepsPerSecond)} steps/s`)
    return measures
  })
}
