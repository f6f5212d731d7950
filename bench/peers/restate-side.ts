/**
 * Restate: a service of the SDK in this process, over HTTP/2, so that steps of one execution share a request. It is called
 * through the ingress of the server with an idempotency key: one request per execution, which can be repeated and then gives
 * the same result. Settings of the server are in `restate-server.ts`.
 */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import { type Context, createEndpointHandler, service } from '@restatedev/restate-sdk'
import { connect, Opts } from '@restatedev/restate-sdk-clients'
import { doNothing, type Job, type WorkflowsSide, type WorkflowsSideOrder } from './peer-sides.ts'

export async function workflowsSide({ url, adminUrl, steps }: WorkflowsSideOrder): Promise<WorkflowsSide> {
  const orders = service({
    name: 'orders',
    handlers: {
      run: async (context: Context, _order: Job) => {
        for (let step = 0; step < steps; step++) await context.run('step', doNothing)
        return { done: true }
      },
    },
  })
  const server = createServer(createEndpointHandler({ services: [orders], logger: () => undefined }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const answer = await fetch(`${adminUrl}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${address.port}` }),
  })
  if (!answer.ok) throw new Error(`Restate refused the service: ${await answer.text()}`)
  const client = connect({ url }).serviceClient(orders)
  return {
    execute: (id) => client.run({ orderId: id }, Opts.from({ idempotencyKey: id })),
    close: async () => void server.close(),
  }
}
