/** Workflows and times for tests of schedules. */
import { signal, workflow } from '../../src/index.ts'
import { createTestEngine, type TestEngine, type TestEngineOptions } from '../../src/testing.ts'

export const START = '2026-11-26T09:00:00.000Z'

export const quick = workflow({
  name: 'quick',
  run: async (_, label: string | undefined) => label ?? 'none',
})
export const release = signal<string>('release')
/** Runs until it is told to end. */
export const slow = workflow({ name: 'slow', run: async (ctx) => ctx.waitFor(release) })
/** Takes 30 s to clean up when it is cancelled. */
export const lingering = workflow({
  name: 'lingering',
  run: async (ctx) => {
    try {
      return await ctx.waitFor(release)
    } finally {
      await ctx.uncancellable((inner) => inner.sleep('30s'))
    }
  },
})

export function engineOf(options: Partial<TestEngineOptions> = {}): Promise<TestEngine> {
  return createTestEngine({ workflows: [quick, slow, lingering], startTime: new Date(START), ...options })
}

/** Workflow ids of all executions and their statuses, oldest first. */
export async function executionsOf(engine: TestEngine): Promise<string[]> {
  const { executions } = await engine.list({ limit: 1000 })
  return executions.map(({ id, status }) => `${id} ${status}`).toReversed()
}

/** The workflow id of the run of schedule `s` at a time of the day. */
export const at = (time: string): string => `s-2026-11-26T${time}.000Z`
