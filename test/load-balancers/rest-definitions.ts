/** What the nodes of the tests of REST behind load balancers run. */
import { signal, workflow } from '../../src/index.ts'

export { addOne } from '../postgres/cluster-workload.ts'

export const word = signal<number>('word')

/** The sum of so many signals. */
export const listening = workflow({
  name: 'listening',
  run: async (ctx, count: number) => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += await ctx.waitFor(word)
    return sum
  },
})
