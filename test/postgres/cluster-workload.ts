/** What the nodes of the tests run: an execution that has steps, sleeps, has a child, a task and a signal. */
import { setTimeout as sleep } from 'node:timers/promises'
import { signal, task, type Workflow, workflow } from '../../src/index.ts'

export const go = signal<number>('go')

export const squareTask = task({
  name: 'square',
  retry: { maxAttempts: 10 },
  run: async (_, value: number) => {
    await sleep(5)
    return value * value
  },
})

export const addOne = workflow({
  name: 'add-one',
  run: async (ctx, value: number) => {
    const next = await ctx.step('add', () => value + 1)
    await ctx.sleep(10)
    return next
  },
})

/** (value + 1)^2 + signal */
export const parentOf = workflow({
  name: 'parent',
  run: async (ctx, value: number) => {
    await ctx.step('begin', async () => {
      await sleep(2)
    })
    await ctx.sleep(20)
    const next = await ctx.child(addOne, value)
    const square = await ctx.task(squareTask, next, { queue: `queue-${value % 7}` })
    const extra = await ctx.waitFor(go)
    return ctx.step('end', () => square + extra)
  },
})

export const WORKFLOWS: readonly Workflow[] = [parentOf, addOne]

export function expectedOf(value: number, extra: number): number {
  return (value + 1) ** 2 + extra
}
