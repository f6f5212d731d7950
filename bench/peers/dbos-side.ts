/**
 * DBOS in the process, on PostgreSQL. Workflows are started directly and not through a queue, which would add a row and the
 * interval of its poll; `getResult` of such a handle waits in the process.
 */
import { DBOS } from '@dbos-inc/dbos-sdk'
import { doNothing, type WorkflowsSide, type WorkflowsSideOrder } from './peer-sides.ts'

const POOL_SIZE = Number(process.env.POOL ?? 20)

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
    async (_order: { readonly orderId: string }) => {
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
