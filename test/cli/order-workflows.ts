/** Workflows whose executions end up in every state that the commands show. */
import { NonRetryableError, signal, task, workflow } from '../../src/index.ts'

export const approved = signal<{ by: string }>('approved')

export interface Order {
  readonly customer: string
  readonly total: number
  /** What becomes of it. Default: it completes. */
  readonly fate?: 'fail' | 'wait' | 'ship' | 'flaky' | 'churn'
}

const ship = workflow({
  name: 'ship',
  run: async (ctx, parcels: number) => {
    await ctx.sleep('1h')
    return parcels
  },
})

export const fulfilOrder = workflow({
  name: 'fulfil-order',
  version: '2',
  run: async (ctx, order: Order) => {
    ctx.setAttributes({ customer: order.customer, total: order.total })
    const payment = await ctx.step('charge', () => ({ id: 'pay-1', at: new Date(0) }))
    switch (order.fate) {
      case 'fail':
        await ctx.step('label', () => {
          throw new NonRetryableError('printer on fire', { cause: new Error('no paper') })
        })
        break
      case 'flaky':
        await ctx.step(
          'invoice',
          () => {
            throw new Error('503 from the shop')
          },
          { retry: { maxAttempts: 10, initialInterval: '1h', maxInterval: '1h', backoff: 'decorrelated' } },
        )
        break
      case 'wait':
        await ctx.waitFor(approved, { timeout: '1d' })
        await ctx.sleep('2h')
        break
      case 'ship':
        await ctx.child(ship, 5, { id: `${ctx.info.workflowId}-parcel` })
        break
      case 'churn':
        for (let i = 0; i < 20; i++) await ctx.step('turn', () => i)
        await ctx.sleep(5)
        await ctx.child(ship, 5, { id: `${ctx.info.workflowId}-parcel` })
    }
    return { payment, total: order.total }
  },
})

export const retired = workflow({
  name: 'retired',
  run: async (ctx) => {
    await ctx.waitFor(approved)
  },
})

export const workflows = [fulfilOrder, ship]

export const sendLetter = task({
  name: 'send-letter',
  retry: { maxAttempts: 1 },
  run: (_, to: string) => {
    if (to === 'nobody') throw Object.assign(new Error('no such street'), { code: 'NO_STREET' })
    return `sent to ${to}`
  },
})

export const upload = workflow({
  name: 'upload',
  run: (ctx) => ctx.task(sendLetter, 'ada', { queue: 'closed', key: 'ada' }),
})
