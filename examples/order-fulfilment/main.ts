// Three orders: a small one, a large one that is approved, and a large one that nobody approves in time.
//
//   npm run example -- order-fulfilment

import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine } from 'perdure'
import { approval, fulfilOrderWith, type Services, stage } from './fulfil-order.ts'

async function printed(text: string): Promise<string> {
  console.log(`  ${text}`)
  return text
}

const services: Services = {
  charge: async (order) => `payment-${order.number}`,
  refund: async (paymentId) => console.log(`  refund of ${paymentId}`),
  printLabel: async (order) => printed(`label for order ${order.number}`),
  sendInvoice: async (order, paymentId) => printed(`invoice to ${order.customer} for ${paymentId}`),
}

const fulfilOrder = fulfilOrderWith(services, { approvalFromCents: 100_000, approvalTimeout: '1s' })

using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-orders-'))
await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'orders.db')}`,
  workflows: [fulfilOrder],
})

const start = (number: number, amountCents: number) =>
  engine.start(fulfilOrder, { number, customer: 'ada@example.com', amountCents }, { id: `order-${number}` })

const small = await start(1, 2_500)
console.log('order 1:', await small.result())

const approved = await start(2, 250_000)
await approved.signal(approval, { approved: true, by: 'grace' })
console.log('order 2:', await approved.result())

const forgotten = await start(3, 400_000)
while ((await forgotten.query(stage)) === 'charging') await new Promise((resolve) => setTimeout(resolve, 10))
console.log(`order 3 is ${await forgotten.query(stage)}, nobody answers`)
console.log('order 3:', await forgotten.result())

const { executions } = await engine.list({ attributes: { customer: 'ada@example.com' } })
for (const { id, status, startedAt } of executions) console.log(id, status, startedAt.toISOString())
