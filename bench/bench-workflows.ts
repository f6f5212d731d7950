/** The workflows of the benchmark. Steps are synchronous and do nothing, unless said otherwise. */
import { task, workflow } from '../src/index.ts'

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

export const noop = task({ name: 'noop', run: doNothing })

export const threeTasks = workflow({
  name: 'tasks',
  version: '1',
  run: async (ctx, _order: Order) => {
    await ctx.task(noop, 1)
    await ctx.task(noop, 2)
    await ctx.task(noop, 3)
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
