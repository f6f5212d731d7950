/** One execution of many sequential steps: no slower at its end than at its beginning, and replayed quickly. */
import type { HistoryMeasures } from '../history-run.ts'
import { type BenchResult, median, type Round, ratioOf, resultOf, rounded } from '../result.ts'
import { type BenchOptions, inDirectory, taskAnswer, type Workload } from './workload.ts'

const STEPS = 20_000
const WINDOW_STEPS = 1000
const LAST_TO_FIRST_MIN = 0.8
const REPLAY_SECONDS_MAX = 1

export const history: Workload = {
  name: 'history',
  about: `one execution of ${STEPS} sequential steps; the rate of the last ${WINDOW_STEPS} against the first, and the replay of all; latency is that of a step`,
  stores: ['sqlite', 'memory'],
  defaultStores: ['sqlite', 'memory'],
  run: async function* (options) {
    yield await measureHistory(options)
  },
}

interface HistoryRound extends Round {
  readonly engine: HistoryMeasures
  readonly replaySeconds: number
}

async function measureHistory(options: BenchOptions): Promise<BenchResult> {
  const { store, isQuick } = options
  const steps = options.executions ?? (isQuick ? STEPS / 10 : STEPS)
  const rounds: HistoryRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    options.progress(`history, ${store}, ${steps} steps, round ${round} of ${options.rounds}`)
    rounds.push(await historyRound(options, steps))
  }
  const middle = (figure: (round: HistoryRound) => number): number => rounded(median(rounds.map(figure)))
  const firstStepsPerSecond = middle(({ engine }) => engine.firstStepsPerSecond)
  const lastStepsPerSecond = middle(({ engine }) => engine.lastStepsPerSecond)
  const lastToFirst = ratioOf(lastStepsPerSecond, firstStepsPerSecond)
  const replaySeconds = middle((each) => each.replaySeconds)
  return {
    ...resultOf({ workload: 'history', store, inFlight: 1 }, rounds),
    figures: { steps, firstStepsPerSecond, lastStepsPerSecond, lastToFirst, replaySeconds },
    target: `last >= ${LAST_TO_FIRST_MIN} x first, replay <= ${REPLAY_SECONDS_MAX} s`,
    met: lastToFirst >= LAST_TO_FIRST_MIN && replaySeconds <= REPLAY_SECONDS_MAX,
  }
}

async function historyRound(options: BenchOptions, steps: number): Promise<HistoryRound> {
  const { store } = options
  const windowSteps = Math.min(WINDOW_STEPS, Math.ceil(steps / 5))
  const bare = await inDirectory(options.directory, (directory) =>
    taskAnswer(options, 'bare-history', { store, directory, steps, windowSteps }),
  )
  return inDirectory(options.directory, async (directory) => {
    const order = { store, directory, steps, windowSteps }
    const engine = await taskAnswer(options, 'engine-history', order)
    const replaySeconds = engine.replaySeconds ?? (await taskAnswer(options, 'replay-history', order)).seconds
    return { engine, bare, replaySeconds }
  })
}
