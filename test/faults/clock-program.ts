/** A program that starts sleeping executions and tells how long they took, by a clock that nobody sets. */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createEngine, workflow } from '../../src/index.ts'

export interface ClockOrder {
  readonly file: string
  /** Sleep of each execution by its id; one that exists is only waited for. */
  readonly sleepsMs: Readonly<Record<string, number>>
}

const report = (...line: unknown[]): void => void writeSync(1, `${JSON.stringify(line)}\n`)

const sleeper = workflow({
  name: 'sleeper',
  run: async (ctx, ms: number) => {
    await ctx.sleep(ms)
    await ctx.step('awake', () => undefined)
    return ms
  },
})

report('loaded')
for await (const line of createInterface({ input: process.stdin })) {
  const { file, sleepsMs } = JSON.parse(line) as ClockOrder
  const engine = await createEngine({ store: `sqlite:${file}`, workflows: [sleeper] })
  await Promise.all(
    Object.entries(sleepsMs).map(async ([id, ms], number) => {
      const startedAtMs = performance.now()
      const execution = await engine.start(sleeper, ms, { id })
      report('started', number, String(execution.runId))
      execution.result().then(
        () => report('ended', number, id, performance.now() - startedAtMs, Date.now()),
        (error) => report('failed', String(error.code), error.message),
      )
    }),
  )
  report('ready')
}
