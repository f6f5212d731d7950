/** graphile-worker. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import type { QueueSide, SideOrder } from './peer-sides.ts'

const TASK = 'noop'

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const logger = new Logger(() => () => undefined)
  const producer = await makeWorkerUtils({ connectionString: url, logger, maxPoolSize: 10 })
  await producer.migrate()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  let worker: Awaited<ReturnType<typeof run>> | undefined
  return {
    batchJobs: Number(process.env.BATCH ?? 1000),
    callers: Number(process.env.CALLERS ?? 2),
    enqueue: (jobs) => producer.addJobs(jobs.map((payload) => ({ identifier: TASK, payload }))),
    work: async (ran) => {
      worker = await run({
        taskList: { [TASK]: () => ran() },
        logger,
        preset: {
          worker: {
            connectionString: url,
            concurrentJobs: Number(process.env.CONC ?? 24),
            maxPoolSize: Number(process.env.CONC ?? 24) + 1,
            localQueue: { size: Number(process.env.LQ ?? 500) },
            completeJobBatchDelay: Number(process.env.DELAY ?? 0),
            failJobBatchDelay: 0,
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
