/**
 * Charges an order, waits for the approval of a large one, then makes label and invoice side by side.
 * An order that nobody approves in time is refunded.
 */
import { type Duration, query, signal, workflow } from 'perdure'
import { z } from 'zod'

export const Order = z.object({ number: z.int(), customer: z.email(), amountCents: z.int().positive() })
export type Order = z.infer<typeof Order>

/** The outside world. Each call gets a key that stays the same when a step runs again: repeated calls count once. */
export interface Services {
  charge(order: Order, key: string): Promise<string>
  refund(paymentId: string, key: string): Promise<void>
  printLabel(order: Order, key: string): Promise<string>
  sendInvoice(order: Order, paymentId: string, key: string): Promise<string>
}

export const approval = signal<{ approved: boolean; by: string }>('approval')
export const stage = query<'charging' | 'waiting for approval' | 'shipping' | 'done'>('stage')

export interface Rules {
  readonly approvalFromCents: number
  readonly approvalTimeout: Duration
}

export function fulfilOrderWith(services: Services, rules: Rules) {
  return workflow({
    name: 'fulfil-order',
    version: '1',
    input: Order,
    run: async (ctx, order) => {
      let now: 'charging' | 'waiting for approval' | 'shipping' | 'done' = 'charging'
      ctx.onQuery(stage, () => now)
      ctx.setAttributes({ customer: order.customer })

      const paymentId = await ctx.step('charge', (step) => services.charge(order, step.idempotencyKey), {
        retry: { maxAttempts: 5, nonRetryable: ['CardDeclinedError'] },
        timeout: '10s',
      })

      if (order.amountCents >= rules.approvalFromCents) {
        now = 'waiting for approval'
        const decision = await ctx.waitFor(approval, { timeout: rules.approvalTimeout })
        if (decision?.approved !== true) {
          await ctx.step('refund', (step) => services.refund(paymentId, step.idempotencyKey))
          now = 'done'
          return { status: decision === undefined ? 'expired' : 'refused', paymentId } as const
        }
      }

      now = 'shipping'
      const [label, invoice] = await Promise.all([
        ctx.step('label', (step) => services.printLabel(order, step.idempotencyKey)),
        ctx.step('invoice', (step) => services.sendInvoice(order, paymentId, step.idempotencyKey)),
      ])
      now = 'done'
      return { status: 'shipped', paymentId, label, invoice } as const
    },
  })
}
