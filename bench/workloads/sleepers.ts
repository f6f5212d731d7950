/** Many sleeping executions: what they cost in memory, after a restart, at the next start, and when all wake at once. */
import type { LoopMeasures } from '../meter.ts'
import { type BenchResult, median, type Round, ratioOf, resultOf, rounded } from '../result.ts'
import type { Memory } from '../settled-memory.ts'
import type { Lateness } from '../sleepers-run.ts'
import { startTask } from '../task-process.ts'
import { type BenchOptions, inDirectory, taskAnswer, type Workload } from './workload.ts'

const SLEEPERS = 1_000_000
const IN_FLIGHT = 1000
const RSS_BEYOND_EMPTY_MIB_MAX = 64
const RSS_TO_TENTH_MAX = 1.1
const READY_SECONDS_MAX = 3
const START_RATE_RATIO_MIN = 0.5
/** The alarm that is set before the kill is due by then. */
const ALARM_PASSES_MS = 1000
/** Time to start those that are due together: as often what it takes at the rate that was measured, and some more. */
const LEAD_FACTOR = 3
const LEAD_MORE_MS = 5000
const QUICK_LEAD_MORE_MS = 1000

export const sleepers: Workload = {
  name: 'sleepers',
  about: `${SLEEPERS} executions started and asleep: memory, restart, starts beside them, a tenth of them due in one second`,
  stores: ['sqlite'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    const count = options.executions ?? (options.isQuick ? SLEEPERS / 10 : SLEEPERS)
    yield await inDirectory(options.directory, (directory) => measureSleepers(options, directory, count))
  },
}

interface Population extends Memory {
  readonly populationSeconds: number
}

interface SleeperFigures {
  readonly sleepers: number
  readonly rssBeyondEmptyMiB: number
  readonly rssBeyondEmptyMiBOfTenth: number
  readonly restartedRssBeyondEmptyMiB: number
  readonly emptyRssMiB: number
  readonly readySeconds: number
  readonly populationSeconds: number
  readonly startsPerSecondWithSleepers: number
  readonly startRateRatio: number
  readonly due: number
  readonly dueFired: number
  readonly latenessMs: Lateness['latenessMs']
  /** Of the process in which they fired; it had started them too. */
  readonly duePeakRssMiB: number
}

async function measureSleepers(
  options: BenchOptions,
  directory: string,
  count: number,
): Promise<BenchResult> {
  const inFlight = options.inFlight ?? Math.min(IN_FLIGHT, Math.ceil(count / 100))
  const tenth = Math.ceil(count / 10)
  options.progress('sleepers, an empty engine')
  const empty = await inDirectory(options.directory, (path) =>
    taskAnswer(options, 'empty-sleepers', { directory: path }),
  )
  const few = await inDirectory(options.directory, (path) => populate(options, path, tenth, inFlight))
  const many = await populate(options, directory, count, inFlight)
  const ready = await restart(options, directory)
  const { rounds, beside } = await startRates(options, directory, Math.ceil(count / 20), inFlight)
  const result = resultOf({ workload: 'sleepers', store: 'sqlite', inFlight }, rounds)
  const startsPerSecondWithSleepers = rounded(median(beside.map((each) => each.executionsPerSecond)))
  const leadMs =
    (options.isQuick ? QUICK_LEAD_MORE_MS : LEAD_MORE_MS) +
    (LEAD_FACTOR * tenth * 1000) / startsPerSecondWithSleepers
  options.progress(`sleepers, ${tenth} due in one second`)
  const order = { directory, inFlight, executions: tenth, group: 'due', leadMs: Math.ceil(leadMs) }
  const lateness = await taskAnswer(options, 'wake-sleepers', order)
  const beyond = (memory: Memory): number => rounded(memory.settledRssMiB - empty.settledRssMiB)
  const figures: SleeperFigures = {
    sleepers: count,
    rssBeyondEmptyMiB: beyond(many),
    rssBeyondEmptyMiBOfTenth: beyond(few),
    restartedRssBeyondEmptyMiB: beyond(ready.memory),
    emptyRssMiB: rounded(empty.settledRssMiB),
    readySeconds: rounded(ready.seconds),
    populationSeconds: rounded(many.populationSeconds),
    startsPerSecondWithSleepers,
    startRateRatio: ratioOf(startsPerSecondWithSleepers, result.executionsPerSecond),
    due: lateness.due,
    dueFired: lateness.fired,
    latenessMs: { p50: rounded(lateness.latenessMs.p50), p99: rounded(lateness.latenessMs.p99) },
    duePeakRssMiB: rounded(lateness.peakRssMiB),
  }
  const rssMiB = rounded(many.rssMiB)
  return { ...result, rssMiB, figures: { ...figures }, target: TARGET, met: isMet(figures) }
}

const TARGET = [
  `RSS beyond empty <= ${RSS_BEYOND_EMPTY_MIB_MAX} MiB and <= ${RSS_TO_TENTH_MAX} x that of a tenth`,
  `ready <= ${READY_SECONDS_MAX} s`,
  `start rate >= ${START_RATE_RATIO_MIN} x that without`,
  'all fire',
].join(', ')

function isMet(figures: SleeperFigures): boolean {
  return (
    figures.rssBeyondEmptyMiB <= RSS_BEYOND_EMPTY_MIB_MAX &&
    figures.rssBeyondEmptyMiB <= RSS_TO_TENTH_MAX * figures.rssBeyondEmptyMiBOfTenth &&
    figures.readySeconds <= READY_SECONDS_MAX &&
    figures.startRateRatio >= START_RATE_RATIO_MIN &&
    figures.dueFired === figures.due
  )
}

/** Fills a file with sleepers, by an engine that is then killed. */
async function populate(
  options: BenchOptions,
  directory: string,
  executions: number,
  inFlight: number,
): Promise<Population> {
  options.progress(`sleepers, starting ${executions}`)
  const order = { directory, inFlight, executions, group: 'sleeper' }
  const task = startTask(options.nodeFlags, 'leave-sleepers', order)
  const population = (await task.said('asleep')) as Population
  await task.kill()
  return population
}

async function restart(
  options: BenchOptions,
  directory: string,
): Promise<{ readonly seconds: number; readonly memory: Memory }> {
  options.progress('sleepers, restart')
  await new Promise((resolve) => setTimeout(resolve, ALARM_PASSES_MS))
  const task = startTask(options.nodeFlags, 'ready-sleepers', { directory })
  await task.said('ready')
  const seconds = (performance.now() - task.startedAtMs) / 1000
  return { seconds, memory: await task.answer() }
}

/** Starts on an empty file, bare, and beside the sleepers. */
async function startRates(
  options: BenchOptions,
  directory: string,
  executions: number,
  inFlight: number,
): Promise<{ readonly rounds: readonly Round[]; readonly beside: readonly LoopMeasures[] }> {
  const rounds: Round[] = []
  const beside: LoopMeasures[] = []
  for (let round = 1; round <= options.rounds; round++) {
    options.progress(`sleepers, rate of starts, round ${round} of ${options.rounds}`)
    const order = { inFlight, executions, group: `round-${round}` }
    const onEmpty = (task: 'start-sleepers' | 'bare-sleepers'): Promise<LoopMeasures> =>
      inDirectory(options.directory, (path) => taskAnswer(options, task, { ...order, directory: path }))
    const engine = await onEmpty('start-sleepers')
    rounds.push({ engine, bare: await onEmpty('bare-sleepers') })
    beside.push(await taskAnswer(options, 'start-sleepers', { ...order, directory }))
  }
  return { rounds, beside }
}
