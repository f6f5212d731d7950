/** pg-boss. */
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { doNothing, type QueueSide, type SideOrder } from './peer-sides.ts'

const QUEUE = 'noop'

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const boss = new PgBoss({ connectionString: url, max: 10 })
  boss.on('error', (error) => console.error('pg-boss:', error.message))
  await boss.start()
  await boss.createQueue(QUEUE)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    batchJobs: Number(process.env.BATCH ?? 1000),
    callers: Number(process.env.CALLERS ?? 2),
    enqueue: (jobs) =>
      boss.insert(
        QUEUE,
        jobs.map((data) => ({ data })),
      ),
    work: async (ran) => {
      await boss.work(
        QUEUE,
        {
          batchSize: Number(process.env.BATCH ?? 1000),
          localConcurrency: Number(process.env.CONC ?? 2),
          burstWhenBatchFull: true,
          pollingIntervalSeconds: 0.5,
        },
        async (jobs) => {
          for (const _ of jobs) ran()
          return doNothing()
        },
      )
    },
    isDrained: async () => {
      const { rows } = await client.query("select 1 from pgboss.job where state < 'completed' limit 1")
      return rows.length === 0
    },
    close: async () => {
      await client.end()
      await boss.stop({ graceful: false })
    },
  }
}
