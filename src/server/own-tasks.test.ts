import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, openEncryption, silentLogger, task, workflow } from '../index.ts'
import { EVENT_TASK } from './events/event-task.ts'
import { EVENT_QUEUE, WEBHOOK_QUEUE } from './own-queues.ts'
import { WEBHOOK_TASK } from './webhooks/webhook-task.ts'

const queues = [
  [EVENT_QUEUE, EVENT_TASK],
  [WEBHOOK_QUEUE, WEBHOOK_TASK],
] as const

const keys = {
  currentKeyId: 'k',
  wrap: async (key: Uint8Array) => key,
  unwrap: async (wrapped: Uint8Array) => wrapped,
}

describe("what a workflow puts into the engine's own queues fails, and the engine goes on", () => {
  for (const [queue, name] of queues)
    for (const isEncrypted of [false, true])
      test(`${queue}, ${isEncrypted ? 'encrypted' : 'in plain text'}`, async () => {
        const own = task({ name, queue, run: (_, input: unknown) => input })
        const forging = workflow({ name: 'forging', run: (ctx, input: unknown) => ctx.task(own, input) })
        await using encryption = await openEncryption({ keys })
        await using engine = await createEngine({
          ...{ store: 'memory', workflows: [forging], logger: silentLogger, shutdownGrace: 0 },
          ...(isEncrypted ? { encryption } : {}),
        })
        // From now on it looks into its queues.
        await engine.listen()
        for (const input of [undefined, null, 'text', [], { namespace: 'default' }]) {
          const forged = await engine.start(forging, input)
          await assert.rejects(forged.result(), /task of the engine's own/)
        }
      })
})
