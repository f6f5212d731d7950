/** One long execution: how fast it goes on at its beginning and at its end, and how long its replay takes. */
import { createEngine, query, signal, type Workflow, workflow } from '../src/index.ts'
import { MemoryState } from '../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../src/store/memory/memory-store.ts'
import { bareMemory, bareSqlite, runBareLoop } from './bare-loop.ts'
import { fsyncsOf } from './fsync-count.ts'
import { bareExecutions, type StoreName, storeFile } from './lanes.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoopMeasures, StoreCounts } from './meter.ts'

export interface HistoryOrder {
  readonly store: StoreName
  readonly directory: string
  readonly steps: number
  /** How many steps count as the beginning, and as the end. */
  readonly windowSteps: number
}

export interface HistoryMeasures extends LoopMeasures {
  readonly firstStepsPerSecond: number
  readonly lastStepsPerSecond: number
  /** Of a store in memory, which no other process can replay. */
  readonly replaySeconds?: number
}

const WARM_UP_STEPS_MAX = 1000
const EXECUTION_ID = 'history'
const progress = query<number>('progress')
const enough = signal('enough')

/** Watches the steps of one execution pass by. */
class StepTimes {
  readonly #order: Pick<HistoryOrder, 'steps' | 'windowSteps'>
  readonly #latency = new LatencyHistogram()
  readonly #marksMs = new Map<number, number>()
  #lastMs = 0

  constructor(order: Pick<HistoryOrder, 'steps' | 'windowSteps'>) {
    this.#order = order
  }

  /** So many results are durable. */
  passed(count: number): void {
    const now = performance.now()
    const { steps, windowSteps } = this.#order
    if (count > 0 && count <= steps) this.#latency.record(now - this.#lastMs)
    this.#lastMs = now
    if ([0, windowSteps, steps - windowSteps, steps].includes(count)) this.#marksMs.set(count, now)
  }

  measures(counts: StoreCounts): HistoryMeasures {
    const { steps, windowSteps } = this.#order
    const rate = (from: number, to: number): number =>
      ((to - from) * 1000) / ((this.#marksMs.get(to) ?? 0) - (this.#marksMs.get(from) ?? 0))
    const stepsPerSecond = rate(0, steps)
    return {
      executions: 1,
      executionsPerSecond: stepsPerSecond / steps,
      stepsPerSecond,
      latencyMs: { p50: this.#latency.quantileMs(0.5), p99: this.#latency.quantileMs(0.99) },
      rssMiB: process.memoryUsage.rss() / 2 ** 20,
      perExecution: counts,
      firstStepsPerSecond: rate(0, windowSteps),
      lastStepsPerSecond: rate(steps - windowSteps, steps),
    }
  }
}

/** A step function starts when the results before it are durable, so one step more than is measured. */
function longWorkflow(onStep: (index: number) => void): Workflow<{ steps: number }, void> {
  return workflow({
    name: 'history',
    version: '1',
    run: async (ctx, { steps }: { steps: number }) => {
      let done = 0
      ctx.onQuery(progress, () => done)
      for (; done <= steps; done++) {
        await ctx.step('step', () => {
          onStep(done)
          return { ok: true }
        })
      }
      await ctx.waitFor(enough)
    },
  })
}

export async function runEngineHistory(order: HistoryOrder): Promise<HistoryMeasures> {
  const { store, directory, steps } = order
  const file = storeFile(directory)
  const state = new MemoryState()
  const warmUpSteps = Math.min(WARM_UP_STEPS_MAX, steps)
  let times: StepTimes | undefined
  let onEnd = (): void => {}
  const long = longWorkflow((index) => {
    times?.passed(index)
    if (index === (times === undefined ? warmUpSteps : steps)) onEnd()
  })
  const engine = await createEngine({
    store: store === 'memory' ? createMemoryStore(state) : `sqlite:${file}`,
    workflows: [long],
  })
  const { counters } = engine
  const run = async (id: string, count: number): Promise<void> => {
    const ended = new Promise<void>((resolve) => (onEnd = resolve))
    await engine.start(long, { steps: count }, { id })
    await ended
  }
  await run('warm-up', warmUpSteps)
  times = new StepTimes(order)
  const counts = (): StoreCounts => ({
    commits: counters.commits,
    rows: counters.rows + counters.commits,
    fsyncs: store === 'memory' ? 0 : fsyncsOf(file, counters.commits),
  })
  const before = counts()
  await run(EXECUTION_ID, steps)
  const measures = times.measures(difference(counts(), before))
  await engine.close()
  return store === 'sqlite'
    ? measures
    : { ...measures, replaySeconds: await replaySeconds(createMemoryStore(state), long, steps) }
}

/** On a file that an earlier process has left. */
export async function replayHistory({ directory, steps }: HistoryOrder): Promise<{ seconds: number }> {
  const long = longWorkflow(() => {})
  return { seconds: await replaySeconds(`sqlite:${storeFile(directory)}`, long, steps) }
}

/** A query needs the code live: the journal is read and replayed for it. */
async function replaySeconds(
  store: Parameters<typeof createEngine>[0]['store'],
  long: ReturnType<typeof longWorkflow>,
  steps: number,
): Promise<number> {
  await using engine = await createEngine({ store, workflows: [long] })
  const startedAtMs = performance.now()
  const done = await engine.execution(long, EXECUTION_ID).query(progress)
  const seconds = (performance.now() - startedAtMs) / 1000
  if (done < steps) throw new Error(`replay came to step ${done} of ${steps}`)
  return seconds
}

function difference(after: StoreCounts, before: StoreCounts): StoreCounts {
  return {
    commits: after.commits - before.commits,
    rows: after.rows - before.rows,
    fsyncs: after.fsyncs - before.fsyncs,
  }
}

export async function runBareHistory(order: HistoryOrder): Promise<HistoryMeasures> {
  const { store, directory } = order
  const file = storeFile(directory)
  const commit = store === 'memory' ? bareMemory() : bareSqlite(file)
  const counts = { commits: 0, rows: 0 }
  const next = bareExecutions()
  const run = async (steps: number, onDurable: (count: number) => void): Promise<void> => {
    const phases = [0, ...Array<number>(steps).fill(1)]
    await runBareLoop({
      commit,
      program: { workflow: 'history', steps: phases },
      counts,
      lanes: [next()],
      goOn: (execution) => {
        onDurable(execution.phase - 1)
        return execution.phase < phases.length ? execution : undefined
      },
    })
  }
  await run(Math.min(WARM_UP_STEPS_MAX, order.steps), () => {})
  const all = (): StoreCounts => ({
    ...counts,
    fsyncs: store === 'memory' ? 0 : fsyncsOf(file, counts.commits),
  })
  const before = all()
  const times = new StepTimes(order)
  await run(order.steps, (count) => times.passed(count))
  return times.measures(difference(all(), before))
}
