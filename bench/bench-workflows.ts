/** The workflows of the benchmark. Steps are synchronous and do nothing, unless said otherwise. */
import { workflow } from '../src/index.ts'

export interface Order {
  readonly orderId: string
}

const doNothing = (): { ok: boolean } => ({ ok: true })

export const threeSteps = workflow({
  name: 'steps',
  version: '1',
  run: async (ctx, _order: Order) => {
    await ctx.step('step', doNothing)
    await ctx.step('step', doNothing)
    await ctx.step('step', doNothing)
    return { done: true }
  },
})

export const FANOUT_STEPS = 100

export const fanOut = workflow({
  name: 'fanout',
  version: '1',
  run: async (ctx, _order: Order) => {
    await Promise.all(Array.from({ length: FANOUT_STEPS }, () => ctx.step('step', doNothing)))
    return { done: true }
  },
})
