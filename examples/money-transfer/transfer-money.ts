/**
 * Moves money from one account to another, in two steps and a compensation: what was taken out and cannot be paid in is
 * given back. Killed at any instant, it goes on where it stopped, and no step counts twice.
 */
import { type RetryOptions, workflow } from 'perdure'
import type { Bank } from './bank.ts'

export interface Transfer {
  readonly from: string
  readonly to: string
  readonly amountCents: number
}

/**
 * Only the bank's own refusal says that nothing was moved. After any other failure the operation may have been done: then
 * it is asked for again, under the same key, until the bank answers.
 */
const untilAnswered: RetryOptions = {
  maxAttempts: 1_000_000,
  initialInterval: '50ms',
  maxInterval: '10s',
  nonRetryable: ['RefusedError'],
}

export function transferMoneyWith(bank: Pick<Bank, 'post'>) {
  return workflow({
    name: 'transfer-money',
    version: '1',
    run: (outer, { from, to, amountCents }: Transfer) =>
      // A cancellation does not say which steps were done either: a transfer that has begun goes on to its end.
      outer.uncancellable(async (ctx) => {
        const post = (name: string, account: string, cents: number) =>
          ctx.step(name, (step) => bank.post(account, cents, step.idempotencyKey), { retry: untilAnswered })

        try {
          await post('take out', from, -amountCents)
        } catch (error) {
          return { status: 'refused', reason: refusal(error) } as const
        }
        try {
          await post('pay in', to, amountCents)
        } catch (error) {
          const reason = refusal(error)
          await post('give back', from, amountCents)
          return { status: 'compensated', reason } as const
        }
        return { status: 'done' } as const
      }),
  })
}

function refusal(error: unknown): string {
  if (error instanceof Error && error.name === 'RefusedError') return error.message
  throw error
}
