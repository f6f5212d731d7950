/** What the worker processes of these tests run, and the tests ask for. */
import { setTimeout as pause } from 'node:timers/promises'
import { signal, task, workflow } from '../../src/index.ts'

/** @param pay notes in the ledger that something is paid for */
export function orderDefinitions(note: (idempotencyKey: string) => void = () => {}) {
  const approve = signal<string>('approve')
  return {
    approve,
    pay: task({
      name: 'pay',
      run: async ({ idempotencyKey }, n: number) => {
        await pause(n % 40)
        note(idempotencyKey)
        await pause(n % 7)
        return n
      },
    }),
    order: workflow({
      name: 'order',
      run: async (ctx, n: number) => {
        const steps: number[] = []
        const step = async (i: number) => {
          steps.push(
            await ctx.step(`step ${i}`, async ({ idempotencyKey }) => {
              await pause((n * 7 + i) % 300)
              note(idempotencyKey)
              await pause(n % 130)
              return n + i
            }),
          )
        }
        await step(0)
        await ctx.sleep(4 * (n % 500))
        await step(1)
        const by = await ctx.waitFor(approve)
        await Promise.all([step(2), step(3)])
        return { steps: steps.toSorted((a, b) => a - b), by }
      },
    }),
  }
}
