/** An engine of which a test sees the inside, and the workflow that it mostly runs. */
import { signal, silentLogger, type Workflow, workflow } from '../../src/index.ts'
import { Client } from '../../src/sdk/client.ts'
import type { EngineSeams } from '../../src/server/engine-settings.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'

export const go = signal<string>('go')
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn()
}

export const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })

interface Options {
  readonly store?: Store
  readonly idleExecutions?: number
  readonly workflows?: readonly Workflow[]
  readonly seams?: EngineSeams
}

export async function withEngine(
  { store = createMemoryStore(), idleExecutions = 100, workflows = [waiting], seams = {} }: Options,
  use: (client: Client, opened: OpenedEngine) => Promise<void>,
): Promise<void> {
  const opened = await openEngine(
    { store, workflows, logger: silentLogger, idleExecutions, shutdownGrace: 0 },
    seams,
  )
  try {
    await use(new Client(opened.calls, opened.client), opened)
  } finally {
    await opened.close()
  }
}

/** Runs of one id that are open, from the store. */
export async function openRuns(store: Store, id: string): Promise<string[]> {
  const rows = await store.list({ limit: 100, status: ['running', 'parked'] })
  return rows.filter((row) => row.key.workflowId === id).map((row) => row.runId)
}
