import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { OwnerCalls, type OwnerCallsOptions } from './owner-calls.ts'

describe('calls about what a node owns', () => {
  const session = { id: 7, incarnation: 'one' }
  const answers = { describe: async () => 'from memory', outcome: async () => 'durable' }

  function calls(assertAlive: OwnerCallsOptions['assertAlive']): OwnerCalls {
    // The one cast: no other method is called here.
    const port = answers as unknown as ClientPort
    const registry = { put: async () => ({ revision: 1, changedMs: 0, isChanged: true }) }
    return new OwnerCalls({ port, registry, session: () => session, assertAlive })
  }

  test('what comes from memory leaves only while the session counts', async () => {
    const asked: unknown[] = []
    const living = calls(async (given) => void asked.push(given))
    assert.equal(await living.call('describe', []), 'from memory')
    assert.deepEqual(asked, [session])
    const fenced = calls(() => Promise.reject(new PerdureError('SHARD_MOVED', 'the session has ended')))
    await assert.rejects(fenced.call('describe', []), { code: 'SHARD_MOVED' })
    // What is durable does not change: nobody is asked.
    assert.equal(await fenced.call('outcome', []), 'durable')
  })
})
