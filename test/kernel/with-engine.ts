/** An embedded engine on the memory store, with its parts in reach. */
import { silentLogger } from '../../src/platform/logger.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import { Client } from '../../src/sdk/client.ts'
import type { Workflow } from '../../src/sdk/definition.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'

export async function withEngine(
  workflows: Workflow[],
  run: (client: Client, opened: OpenedEngine) => Promise<void>,
  limits: Partial<Limits> = {},
): Promise<void> {
  const opened = await openEngine({ store: 'memory', workflows, logger: silentLogger, limits }, {})
  try {
    await run(new Client(opened.calls, opened.client), opened)
  } finally {
    await opened.close()
  }
}

/** Nothing runs, nothing is to be committed. */
export async function quiet({ engine }: OpenedEngine): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve))
  while (!engine.isQuiet)
}
