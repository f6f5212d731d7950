import { task, workflow } from '../../src/index.ts'
import { inSpan } from './span-recorder.ts'

const print = task({ name: 'print', queue: 'printers', run: () => inSpan('ink', async () => 'printed') })

/** An order with a child, a step that calls what is instrumented, and a task. */
export function tracedDefinitions() {
  const parcel = workflow({
    name: 'parcel',
    run: (ctx) => ctx.step('weigh', () => 3),
  })
  const order = workflow({
    name: 'order',
    run: async (ctx) => {
      await ctx.step('pay', () => inSpan('http', async () => 'paid'))
      await ctx.task(print)
      return ctx.child(parcel)
    },
  })
  return { order, parcel, print, workflows: [order, parcel], tasks: [print] }
}
