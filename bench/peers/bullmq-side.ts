/**
 * BullMQ: `addBulk`, and one worker that runs many jobs at once (docs.bullmq.io/guide/parallelism-and-concurrency). A job that
 * is done stays in the set of completed jobs, which is its default. Settings of Redis are in `redis-server.ts`.
 */
import { Queue, Worker } from 'bullmq'
import { doNothing, type QueueSide, type SideOrder } from './peer-sides.ts'

const QUEUE = 'noop'
const ADD_JOBS = 1000
/** One caller had half the throughput, four had no more. */
const ADD_CALLERS = 2
/** 64 were slower; 512, 1,000, or two workers of 256 made no difference. */
const JOBS_AT_ONCE = 256

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const { hostname, port } = new URL(url)
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null }
  const queue = new Queue(QUEUE, { connection })
  let worker: Worker | undefined
  let taken = 0
  let completed = 0
  return {
    batchJobs: ADD_JOBS,
    callers: ADD_CALLERS,
    enqueue: (jobs) => queue.addBulk(jobs.map((data) => ({ name: QUEUE, data }))),
    work: async (ran) => {
      const run = async (): Promise<object> => {
        taken += 1
        ran()
        return doNothing()
      }
      worker = new Worker(QUEUE, run, { connection, concurrency: JOBS_AT_ONCE })
      worker.on('error', (error) => console.error('bullmq:', error.message))
      worker.on('completed', () => {
        completed += 1
      })
    },
    isDrained: async () => completed === taken,
    close: async () => {
      await worker?.close(true)
      await queue.close()
    },
  }
}
