/** Settings of queues that do not exist, or are of another kind, are refused in code; for those at run time see queue-settings.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, type QueueSettings, silentLogger } from '../../src/index.ts'
import { systemRandomness } from '../../src/platform/randomness.ts'
import type { QueueOverrides } from '../../src/protocol/queue-settings.ts'
import { OWN_QUEUES } from '../../src/server/own-queues.ts'
import { queueDesigns } from '../../src/server/queue-settings.ts'

/** Without types, as a JavaScript program gives them. */
const untyped = (settings: object): never => settings as never

const refused: readonly (readonly [settings: object, message: RegExp])[] = [
  [{ concurency: 3 }, /has no setting 'concurency'; there are .*concurrency, keyConcurrency/],
  [{ policy: { name: 'sjf', ageing: 2 } }, /policy sjf of .* has no option 'ageing'; there are name, aging/],
  [{ policy: 'lifo' }, /there is no scheduling policy 'lifo'; there are fcfs, sjf/],
  [{ policy: { nam: 'sjf' } }, /there is no scheduling policy undefined/],
  [{ balancer: 'leastconn' }, /no load balancer is called 'leastconn'; there are random/],
  [{ balancer: { name: 'hash', nodes: 3 } }, /hash has no option 'nodes'/],
  [{ rate: { perSecond: 5, bust: 3 } }, /rate of .* has no option 'bust'; there are perSecond, burst/],
  [{ keyRate: 5 }, /keyRate of .* is not an object/],
  [{ rate: { perSecond: 0 } }, /rate.perSecond is 0/],
  [{ concurrency: 0 }, /concurrency is 0/],
  [{ paused: 'yes' }, /paused of .* is not true or false/],
  [{ zones: 'eu' }, /zones of queue q is not a list of texts/],
  [{ zones: [1] }, /zones of queue q is not a list of texts/],
  [{ ejection: true }, /ejection of queue q is not an object/],
  [{ ejection: { foo: 1 } }, /ejection of queue q has no option 'foo'/],
  [{ ejection: { successRate: true } }, /ejection.successRate of queue q is not an object/],
  [{ ejection: { successRate: { workers: 1 } } }, /successRate of queue q has no option 'workers'/],
  [
    { policy: () => ({ name: 'own', place: () => undefined }) },
    /queue q: the policy must place tasks by a flow/,
  ],
]

/** The code and the hint of the catalogue are said once. */
const once = (message: string): number => message.split('(ARGUMENT_INVALID)').length - 1

async function assertRefused(call: () => Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(call, (error: Error & { code: string }) => {
    assert.match(error.message, message)
    assert.deepEqual([error.code, once(error.message)], ['ARGUMENT_INVALID', 1])
    return true
  })
}

test('settings of queues that make no sense are refused in code', async () => {
  for (const [settings, message] of refused)
    await assertRefused(
      () => createEngine({ store: 'memory', queues: [untyped({ name: 'q', ...settings })] }),
      message,
    )
})

test('a queue of the engine is as code says, and where it says nothing, as the engine does', () => {
  const designs = (queue: Omit<QueueSettings, 'name'>) =>
    queueDesigns([{ name: 'perdure.webhooks', ...queue }], {
      random: systemRandomness,
      logger: silentLogger,
      windowTasks: undefined,
      own: OWN_QUEUES,
    })
  const limitsOf = (queue: Omit<QueueSettings, 'name'>, overrides: QueueOverrides = {}) =>
    designs(queue).of('perdure.webhooks', overrides).limits
  assert.deepEqual(limitsOf({ policy: 'round-robin' }), { concurrency: 32, keyConcurrency: 8 })
  assert.deepEqual(limitsOf({ concurrency: 100 }), { concurrency: 100, keyConcurrency: 8 })
  assert.deepEqual(limitsOf({}, { concurrency: 5, keyConcurrency: 3 }), { concurrency: 5, keyConcurrency: 3 })
  // Of an engine whose code had said more, or an override of a version without these limits.
  assert.deepEqual(limitsOf({}, { concurrency: 100, keyConcurrency: null }), {
    concurrency: 32,
    keyConcurrency: 8,
  })
  assert.throws(() => designs({ partitions: 64 }), { code: 'ARGUMENT_INVALID', message: /partitions/ })
  const { declared } = designs({ concurrency: 100 }).of('perdure.webhooks', {})
  assert.deepEqual(declared, { concurrency: 100 })
})
