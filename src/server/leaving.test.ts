import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { VirtualClock } from '../platform/virtual-clock.ts'
import { leave } from './leaving.ts'

interface Given {
  readonly hasProxies?: boolean
  readonly isFailed?: boolean
  readonly drainDelayMs?: number
  /** Other nodes; undefined: it is alone. */
  readonly others?: number
}

/** What it does, and when. */
async function leaving({
  hasProxies = false,
  isFailed = false,
  drainDelayMs,
  others,
}: Given): Promise<string[]> {
  const clock = new VirtualClock(0)
  const did: string[] = []
  const does = async (what: string): Promise<void> => void did.push(`${what} at ${clock.nowMs()}`)
  const node = {
    drain: (mostMs: number) => does(`hand over within ${mostMs}`),
    others: () => Array.from({ length: others ?? 0 }, (_, id) => ({ id }) as never),
  }
  let hasLeft = false
  const left = leave({
    assembly: others === undefined ? undefined : { node },
    doors: { hasProxies, leave: () => does('ask clients to go'), finish: () => does('let nobody in') },
    readiness: { isFailed, beginDraining: () => void does('say so') },
    clock,
    drainMs: others === undefined ? undefined : 30_000,
    drainDelayMs,
  }).then(() => {
    hasLeft = true
  })
  while (!hasLeft) {
    await turn()
    clock.runNext()
  }
  await left
  await does('gone')
  return did
}

describe('an engine that leaves', () => {
  test('says so first, serves on while it hands over, and asks clients to go then', async () => {
    assert.deepEqual(await leaving({ others: 2, drainDelayMs: 5000 }), [
      'say so at 0',
      'hand over within 30000 at 0',
      'ask clients to go at 5000',
      'let nobody in at 5000',
      'gone at 5000',
    ])
  })

  test('does not wait without load balancers, and three seconds with them', async () => {
    assert.equal((await leaving({ others: 1 })).at(-1), 'gone at 0')
    assert.equal((await leaving({ others: 1, hasProxies: true })).at(-1), 'gone at 3000')
    assert.equal((await leaving({ hasProxies: true })).at(-1), 'gone at 3000')
    assert.equal((await leaving({ hasProxies: true, drainDelayMs: 0 })).at(-1), 'gone at 0')
  })

  test('has nobody to send its clients to when it is alone', async () => {
    assert.deepEqual(await leaving({}), ['say so at 0', 'gone at 0'])
    assert.deepEqual(await leaving({ others: 0 }), [
      'say so at 0',
      'hand over within 30000 at 0',
      'gone at 0',
    ])
  })

  test('does not wait when it has failed', async () => {
    assert.deepEqual(await leaving({ isFailed: true, hasProxies: true }), ['say so at 0', 'gone at 0'])
  })
})
