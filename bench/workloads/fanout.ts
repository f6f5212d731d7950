/** 100 parallel steps and a join, held against three sequential steps with 1,000 in flight in the same run. */
import { FANOUT_STEPS } from '../bench-workflows.ts'
import { median, type Round, ratioOf, resultOf, rounded } from '../result.ts'
import { runLanes } from './steps.ts'
import type { Workload } from './workload.ts'

const IN_FLIGHT = 50
const EXECUTIONS = 2000
const COMPARED_IN_FLIGHT = 1000
const RATIO_TO_STEPS_MIN = 0.5

export const fanout: Workload = {
  name: 'fanout',
  about: `${FANOUT_STEPS} parallel steps and a join; ${IN_FLIGHT} in flight, ${EXECUTIONS * FANOUT_STEPS} steps, unless given`,
  stores: ['sqlite', 'postgres', 'memory'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    const { store, inFlight = IN_FLIGHT, isQuick } = options
    const executions = options.executions ?? (isQuick ? EXECUTIONS / 10 : EXECUTIONS)
    const rounds: Round[] = []
    const stepsRates: number[] = []
    for (let round = 1; round <= options.rounds; round++) {
      const about = `fanout, ${store}, ${inFlight} in flight, round ${round} of ${options.rounds}`
      const own = { ...options, executions }
      const engine = await runLanes(own, 'engine-lanes', { workflow: 'fanout', inFlight }, about)
      const bare = await runLanes(own, 'bare-lanes', { workflow: 'fanout', inFlight }, about)
      rounds.push({ engine, bare })
      const compared = { ...options, executions: undefined }
      const load = { workflow: 'steps', inFlight: COMPARED_IN_FLIGHT } as const
      stepsRates.push((await runLanes(compared, 'engine-lanes', load, `${about}, steps`)).stepsPerSecond)
    }
    const stepsPerSecondOfSteps = rounded(median(stepsRates))
    const result = resultOf({ workload: 'fanout', store, inFlight }, rounds)
    const ratioToSteps = ratioOf(result.stepsPerSecond, stepsPerSecondOfSteps)
    yield {
      ...result,
      target: `steps/s >= ${RATIO_TO_STEPS_MIN} x steps at ${COMPARED_IN_FLIGHT} in flight`,
      met: ratioToSteps >= RATIO_TO_STEPS_MIN,
      figures: { ratioToSteps, stepsPerSecondOfSteps },
    }
  },
}
