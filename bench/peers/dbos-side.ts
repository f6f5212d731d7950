/**
 * DBOS in the process, on PostgreSQL. Workflows are started directly and not through a queue, which would add writes and the
 * interval of its poll; `getResult` of such a handle waits in the process. No tracing, no OpenTelemetry: its defaults.
 */
import { DBOS } from '@dbos-inc/dbos-sdk'
import { doNothing, type Job, type WorkflowsSide, type WorkflowsSideOrder } from './peer-sides.ts'

/** `systemDatabasePoolSize`: 10 by default; 20 was a little faster with many in flight, more was not. */
const POOL_SIZE = 20

const quiet = (): void => undefined
const loud = (entry: unknown): void => console.error('dbos:', entry)

export async function workflowsSide({ url, steps }: WorkflowsSideOrder): Promise<WorkflowsSide> {
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: POOL_SIZE,
    logger: { info: quiet, debug: quiet, warn: loud, error: loud },
  })
  const order = DBOS.registerWorkflow(
    async (_order: Job) => {
      for (let step = 0; step < steps; step++) await DBOS.runStep(async () => doNothing(), { name: 'step' })
      return { done: true }
    },
    { name: 'steps' },
  )
  await DBOS.launch()
  return {
    execute: async (id) => (await DBOS.startWorkflow(order, { workflowID: id })({ orderId: id })).getResult(),
    close: () => DBOS.shutdown(),
  }
}
