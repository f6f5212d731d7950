/** BullMQ. */
import { Queue, Worker } from 'bullmq'
import { doNothing, type QueueSide, type SideOrder } from './peer-sides.ts'

const QUEUE = 'noop'

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  const { hostname, port } = new URL(url)
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null }
  const queue = new Queue(QUEUE, { connection })
  const workers: Worker[] = []
  let taken = 0
  let completed = 0
  return {
    batchJobs: Number(process.env.BATCH ?? 1000),
    callers: Number(process.env.CALLERS ?? 2),
    enqueue: (jobs) => queue.addBulk(jobs.map((data) => ({ name: QUEUE, data }))),
    work: async (ran) => {
      const run = async (): Promise<object> => {
        taken += 1
        ran()
        return doNothing()
      }
      for (let i = 0; i < Number(process.env.WORKERS ?? 1); i++) {
        const worker = new Worker(QUEUE, run, { connection, concurrency: Number(process.env.CONC ?? 256) })
        worker.on('error', (error) => console.error('bullmq:', error.message))
        worker.on('completed', () => {
          completed += 1
        })
        workers.push(worker)
      }
    },
    isDrained: async () => completed === taken,
    close: async () => {
      for (const worker of workers) await worker.close(true)
      await queue.close()
    },
  }
}
