/** A job queue of no-op tasks: enqueued with `enqueueMany`, then run by the worker in the process; and by one in another. */
import type { QueueMeasures } from '../queue-run.ts'
import { type BenchResult, resultOf } from '../result.ts'
import { inDirectory, taskAnswer, type Workload } from './workload.ts'

const TASKS = 200_000
const CONCURRENCY = 256
const RATIO_MIN = { enqueue: 0.4, drain: 0.4, 'remote drain': 0.25 } as const

export const queue: Workload = {
  name: 'queue',
  about: `${TASKS} no-op tasks: enqueued, then run; tasks/s against a bare loop with the same rows`,
  stores: ['sqlite'],
  defaultStores: ['sqlite'],
  run: async function* (options) {
    const tasks = options.executions ?? (options.isQuick ? TASKS / 10 : TASKS)
    const inFlight = options.inFlight ?? CONCURRENCY
    const rounds: { readonly engine: QueueMeasures; readonly bare: QueueMeasures }[] = []
    for (let round = 1; round <= options.rounds; round++) {
      options.progress(`queue, ${tasks} tasks, round ${round} of ${options.rounds}`)
      const run = (name: 'engine-queue' | 'bare-queue') =>
        inDirectory(options.directory, (directory) =>
          taskAnswer(options, name, { directory, tasks, inFlight }),
        )
      rounds.push({ engine: await run('engine-queue'), bare: await run('bare-queue') })
    }
    for (const part of ['enqueue', 'drain', 'remote drain'] as const) {
      const about = { workload: `queue ${part}`, store: options.store, inFlight }
      const result = resultOf(
        about,
        rounds.map(({ engine, bare }) => ({ engine: engine[part], bare: bare[part] })),
      )
      yield {
        ...result,
        target: `ratio >= ${RATIO_MIN[part]}`,
        met: result.ratio >= RATIO_MIN[part],
      } satisfies BenchResult
    }
  },
}
