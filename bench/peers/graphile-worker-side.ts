/**
 * graphile-worker: `addJobs`, a local queue, and completions in batches, as in the figures of its own documentation
 * (worker.graphile.org/docs/performance: 24 jobs at once, local queue of 500, batch delay of 0). More jobs at once and a
 * larger local queue were up to three times as fast here. It deletes a job that is done.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import type { QueueSide, SideOrder } from './peer-sides.ts'

const TASK = 'noop'
const ADD_JOBS = 5000
const ADD_CALLERS = 2
const JOBS_AT_ONCE = 100
const LOCAL_QUEUE_JOBS = 5000
const BATCH_DELAY_MS = 0

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const logger = new Logger(() => () => undefined)
  const producer = await makeWorkerUtils({ connectionString: url, logger, maxPoolSize: 10 })
  await producer.migrate()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  let worker: Awaited<ReturnType<typeof run>> | undefined
  return {
    batchJobs: ADD_JOBS,
    callers: ADD_CALLERS,
    enqueue: (jobs) => producer.addJobs(jobs.map((payload) => ({ identifier: TASK, payload }))),
    work: async (ran) => {
      worker = await run({
        taskList: { [TASK]: () => ran() },
        logger,
        preset: {
          worker: {
            connectionString: url,
            concurrentJobs: JOBS_AT_ONCE,
            maxPoolSize: JOBS_AT_ONCE + 1,
            localQueue: { size: LOCAL_QUEUE_JOBS },
            completeJobBatchDelay: BATCH_DELAY_MS,
            failJobBatchDelay: BATCH_DELAY_MS,
          },
        },
      })
    },
    isDrained: async () => {
      const { rows } = await client.query('select 1 from graphile_worker.jobs limit 1')
      return rows.length === 0
    },
    close: async () => {
      await worker?.stop()
      await client.end()
      await producer.release()
    },
  }
}
