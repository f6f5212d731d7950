/** Perdure, embedded, with its defaults: on PostgreSQL or SQLite, as the URL says. */
import { createEngine, type Engine, task, workflow } from '../../src/index.ts'
import {
  doNothing,
  type Job,
  type QueueSide,
  type SideOrder,
  type WorkflowsSide,
  type WorkflowsSideOrder,
} from './peer-sides.ts'

/** As many as `npm run bench -- queue` runs at once. */
const TASKS_AT_ONCE = 256

export async function workflowsSide({ url, steps }: WorkflowsSideOrder): Promise<WorkflowsSide> {
  const order = workflow({
    name: 'steps',
    version: '1',
    run: async (ctx, _order: Job) => {
      for (let step = 0; step < steps; step++) await ctx.step('step', doNothing)
      return { done: true }
    },
  })
  const engine = await createEngine({ store: url, workflows: [order] })
  return {
    execute: async (id) => (await engine.start(order, { orderId: id }, { id })).result(),
    close: () => engine.close(),
  }
}

export async function queueSide({ url }: SideOrder): Promise<QueueSide> {
  let ran: () => void = () => undefined
  const noop = task({
    name: 'noop',
    run: (_task, _job: Job) => {
      ran()
      return doNothing()
    },
  })
  let engine = await createEngine({ store: url, workflows: [] })
  return {
    batchJobs: 10_000,
    callers: 1,
    enqueue: (jobs) => engine.enqueueMany(noop, jobs),
    work: async (report) => {
      ran = report
      await engine.close()
      engine = await createEngine({ store: url, tasks: [noop], taskConcurrency: TASKS_AT_ONCE })
    },
    isDrained: () => isDrained(engine),
    close: () => engine.close(),
  }
}

async function isDrained(engine: Engine): Promise<boolean> {
  const queues = await engine.queues.list()
  return queues.every(({ waiting, running }) => waiting + running === 0) && engine.isQuiet
}
