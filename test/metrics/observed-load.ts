/** A load in which everything happens that dashboards show: what fails, retries, waits, sleeps, asks people. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, NonRetryableError, signal, task, workflow } from '../../src/index.ts'

const fast = { initialInterval: 1, maxInterval: 1 }
const go = signal('go')

const send = task({
  name: 'send',
  retry: { ...fast, maxAttempts: 2 },
  run: async (_, value: number) => {
    await sleep(value % 5)
    if (value % 4 === 0) throw new Error('not sent')
    return value
  },
})

const pause = workflow({ name: 'pause', run: (ctx) => ctx.sleep(10) })
const order = workflow({
  name: 'order',
  run: async (ctx, value: number) => {
    let left = value % 3
    const flaky = (): number => {
      if (left-- > 0) throw new Error('not yet')
      return value
    }
    await ctx.step('pay', flaky, { retry: { ...fast, maxAttempts: 5 } })
    await ctx.child(pause, undefined)
    await ctx.task(send, value * 4 + 1, { queue: 'mail' })
    await ctx.waitFor(go)
    if (value % 5 === 0)
      await ctx.step('ship', () => {
        throw new NonRetryableError('no stock')
      })
    return value
  },
})
const asks = workflow({
  name: 'asks',
  run: (ctx) => ctx.humanTask({ title: 'look', candidateGroups: ['clerks'] }),
})

export const workflows = [order, pause, asks]
export const tasks = [send]

export class ObservedLoad {
  readonly #engines: readonly Engine[]
  #isOver = false
  #next = 0
  #done: Promise<unknown> = Promise.resolve()

  constructor(engines: readonly Engine[]) {
    this.#engines = engines
  }

  async start(): Promise<void> {
    const [first] = this.#engines
    if (first === undefined) throw new Error('no engine')
    await first.schedules.create('often', { every: '1s' }, { workflow: pause, input: undefined })
    this.#done = Promise.all(Array.from({ length: 6 }, () => this.#lane()))
  }

  /** What is under way ends. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #lane(): Promise<void> {
    while (!this.#isOver) {
      const value = this.#next++
      const engine = this.#engines[value % this.#engines.length]
      if (engine === undefined) return
      const execution = await engine.start(order, value, { id: `order-${value}` })
      await execution.signal(go, undefined)
      await engine.enqueue(send, value, { queue: 'mail' })
      if (value % 10 === 0) {
        const asking = await engine.start(asks, undefined, { id: `asks-${value}` })
        await sleep(20)
        await asking.terminate('enough')
      }
      await execution.result().catch((error: unknown) => {
        if (value % 5 !== 0) throw error
      })
    }
  }
}
