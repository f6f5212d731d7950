/**
 * pg-boss: `insert` of many jobs, and workers that fetch batches and complete each with one statement. `burstWhenBatchFull`
 * fetches again at once after a full batch instead of after the interval of its poll (the package's types.d.ts). Its other
 * defaults hold: completed jobs stay for a week.
 */
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { doNothing, type QueueSide, type SideOrder } from './peer-sides.ts'

const QUEUE = 'noop'
/** 1,000 to 5,000 made no difference; two callers keep client and server busy. */
const INSERT_JOBS = 2000
const INSERT_CALLERS = 2
/** With 1,000 the drain was a third slower, with 10,000 not faster; a second worker helped by a half, a third one did not. */
const FETCH_JOBS = 5000
const WORKERS = 2

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const boss = new PgBoss({ connectionString: url, max: 10 })
  boss.on('error', (error) => console.error('pg-boss:', error.message))
  await boss.start()
  await boss.createQueue(QUEUE)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    batchJobs: INSERT_JOBS,
    callers: INSERT_CALLERS,
    enqueue: (jobs) =>
      boss.insert(
        QUEUE,
        jobs.map((data) => ({ data })),
      ),
    work: async (ran) => {
      await boss.work(
        QUEUE,
        {
          batchSize: FETCH_JOBS,
          localConcurrency: WORKERS,
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
