/** Three no-op tasks of a workflow, one after the other, held against three steps in the same run. */
import { type Round, resultOf } from '../result.ts'
import { runEngine } from './steps.ts'
import type { Workload } from './workload.ts'

const IN_FLIGHT = 1000
const RATIO_MIN = 0.3

export const workflowTasks: Workload = {
  name: 'workflow-tasks',
  about: `three no-op tasks, one after the other; ${IN_FLIGHT} executions in flight unless given; "bare" are three steps on the engine`,
  stores: ['sqlite', 'postgres', 'memory'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    const { store, inFlight = IN_FLIGHT } = options
    const rounds: Round[] = []
    for (let round = 1; round <= options.rounds; round++) {
      const about = `workflow-tasks, ${store}, ${inFlight} in flight, round ${round} of ${options.rounds}`
      const engine = await runEngine(options, { workflow: 'tasks', inFlight }, about)
      const bare = await runEngine(options, { workflow: 'steps', inFlight }, `${about}, steps`)
      rounds.push({ engine, bare })
    }
    const result = resultOf({ workload: 'workflow-tasks', store, inFlight }, rounds)
    yield { ...result, target: `ratio to steps >= ${RATIO_MIN}`, met: result.ratio >= RATIO_MIN }
  },
}
