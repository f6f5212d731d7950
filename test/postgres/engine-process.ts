/** An engine in a process of its own, to be killed: starts executions, says which are acknowledged, and when all have ended. */
import { createEngine, silentLogger, workflow } from '../../src/index.ts'

const [, , url = '', life = '1'] = process.argv
const LIVES = 5

const chain = workflow({
  name: 'chain',
  run: async (ctx, value: number) => {
    const first = await ctx.step('first', () => value + 1)
    await ctx.sleep(30)
    return ctx.step('second', () => first * 2)
  },
})

const say = (message: object): void => void process.send?.(message)
const engine = await createEngine({ store: url, workflows: [chain], logger: silentLogger })
if (Number(life) <= LIVES) {
  for (let i = 0; ; i++) {
    const id = `chain-${life}-${i}`
    void engine.start(chain, i, { id }).then(() => say({ started: id }))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
for (;;) {
  const { executions } = await engine.list({ limit: 1000 })
  if (executions.every(({ status }) => status === 'completed')) {
    say({ done: executions.length })
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
}
