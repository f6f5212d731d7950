/** What `perdure start` runs in its tests. */
import { task, workflow } from '../../src/index.ts'

export const shout = task({ name: 'shout', run: (_, text: string) => text.toUpperCase() })

export const greet = workflow({
  name: 'greet',
  run: async (ctx, name: string) => ctx.task(shout, await ctx.step('compose', () => `hello ${name}`)),
})

export const queues = [{ name: 'slow', concurrency: 1 }]
