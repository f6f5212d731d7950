/** A million waiting tasks in one queue: memory, restart, and the rates of enqueueing and dispatch beside them. */
import type { BacklogRates } from '../backlog-run.ts'
import { type BenchResult, resultOf, rounded } from '../result.ts'
import type { Memory } from '../settled-memory.ts'
import { startTask } from '../task-process.ts'
import { type BenchOptions, inDirectory, taskAnswer, type Workload } from './workload.ts'

const TASKS = 1_000_000
const CONCURRENCY = 256
const RATE_RATIO_MIN = 0.7
const READY_SECONDS_MAX = 5
const RSS_TO_TENTH_MAX = 1.1
/** What the memory of one engine differs by from one process to the next. */
const RSS_NOISE_MIB = 2

export const backlog: Workload = {
  name: 'backlog',
  about: `${TASKS} tasks wait in a queue: memory, restart, and tasks/s enqueued and run; "bare" is an empty queue`,
  stores: ['sqlite'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    const count = options.executions ?? (options.isQuick ? TASKS / 10 : TASKS)
    const inFlight = options.inFlight ?? CONCURRENCY
    yield* await inDirectory(options.directory, (directory) =>
      measureBacklog(options, { directory, tasks: count, inFlight }),
    )
  },
}

interface Filled extends Memory {
  readonly fillSeconds: number
  readonly waiting: number
}

interface Order {
  readonly directory: string
  readonly tasks: number
  readonly inFlight: number
}

async function measureBacklog(options: BenchOptions, order: Order): Promise<BenchResult[]> {
  const { tasks, inFlight, directory } = order
  options.progress('backlog, an empty engine')
  const rest = (path: string): Promise<Memory> =>
    taskAnswer(options, 'rest-on-backlog', { directory: path, inFlight })
  const empty = await inDirectory(options.directory, rest)
  const tenth = Math.ceil(tasks / 10)
  const few = await inDirectory(options.directory, async (path) => ({
    filled: await fill(options, { ...order, directory: path, tasks: tenth }),
    restarted: await rest(path),
  }))
  const many = { filled: await fill(options, order), restarted: await rest(directory) }
  const readySeconds = await restart(options, { directory, inFlight })
  const rounds = await rates(options, { ...order, tasks: tenth })
  const beyond = (memory: Memory): number => rounded(memory.settledRssMiB - empty.settledRssMiB)
  const figures = {
    waiting: many.filled.waiting,
    rssBeyondEmptyMiB: beyond(many.restarted),
    rssBeyondEmptyMiBOfTenth: beyond(few.restarted),
    // Beside what waits: buffers of what the process has written, up to their bounds.
    filledRssBeyondEmptyMiB: beyond(many.filled),
    filledRssBeyondEmptyMiBOfTenth: beyond(few.filled),
    emptyRssMiB: rounded(empty.settledRssMiB),
    fillSeconds: rounded(many.filled.fillSeconds),
    readySeconds: rounded(readySeconds),
  }
  const isSteady =
    figures.rssBeyondEmptyMiB <=
    Math.max(
      RSS_TO_TENTH_MAX * figures.rssBeyondEmptyMiBOfTenth,
      figures.rssBeyondEmptyMiBOfTenth + RSS_NOISE_MIB,
    )
  const resultFor = (part: keyof BacklogRates): BenchResult => {
    const of = rounds.map(({ beside, alone }) => ({ engine: beside[part], bare: alone[part] }))
    return resultOf({ workload: `backlog ${part}`, store: options.store, inFlight }, of)
  }
  const enqueue = resultFor('enqueue')
  const dispatch = resultFor('dispatch')
  const target = `ratio to an empty queue >= ${RATE_RATIO_MIN}`
  const more = `RSS beyond empty after a restart <= ${RSS_TO_TENTH_MAX} x that of a tenth (or ${RSS_NOISE_MIB} MiB), ready <= ${READY_SECONDS_MAX} s`
  const isReady = figures.readySeconds <= READY_SECONDS_MAX
  return [
    { ...enqueue, target, met: enqueue.ratio >= RATE_RATIO_MIN },
    {
      ...dispatch,
      figures,
      target: `${target}, ${more}`,
      met: dispatch.ratio >= RATE_RATIO_MIN && isSteady && isReady,
    },
  ]
}

/** Fills a queue by an engine that is then killed. */
async function fill(options: BenchOptions, order: Order): Promise<Filled> {
  options.progress(`backlog, enqueueing ${order.tasks}`)
  const task = startTask(options.nodeFlags, 'fill-backlog', order)
  const filled = (await task.said('filled')) as Filled
  await task.kill()
  return filled
}

async function restart(options: BenchOptions, order: Omit<Order, 'tasks'>): Promise<number> {
  options.progress('backlog, restart')
  const task = startTask(options.nodeFlags, 'ready-backlog', order)
  await task.said('ready')
  const seconds = (performance.now() - task.startedAtMs) / 1000
  await task.answer()
  return seconds
}

/** Enqueues and runs in an empty queue, and in the full one, which stays as full as it was. */
async function rates(
  options: BenchOptions,
  order: Order,
): Promise<readonly { readonly beside: BacklogRates; readonly alone: BacklogRates }[]> {
  const rounds: { readonly beside: BacklogRates; readonly alone: BacklogRates }[] = []
  for (let round = 1; round <= options.rounds; round++) {
    options.progress(`backlog, rates, round ${round} of ${options.rounds}`)
    const alone = await inDirectory(options.directory, (path) =>
      taskAnswer(options, 'backlog-rates', { ...order, directory: path }),
    )
    rounds.push({ alone, beside: await taskAnswer(options, 'backlog-rates', order) })
  }
  return rounds
}
