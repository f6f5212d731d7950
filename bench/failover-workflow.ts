/** An execution that does something again and again, so that its journal shows when it could not. */
import { workflow } from '../src/index.ts'

/** Between two steps, ms. */
export const TICK_MS = 200

export const ticking = workflow({
  name: 'ticking',
  run: async (ctx, ticks: number) => {
    for (let i = 0; i < ticks; i++) {
      await ctx.step('tick', () => i)
      await ctx.sleep(TICK_MS)
    }
  },
})
