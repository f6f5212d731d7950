// What a client of another language may say: the shapes of the protocol keep out what no store can hold.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { CLIENT_METHODS, CLIENT_PROTOCOL } from '../../src/protocol/client-messages.ts'
import { LONGEST_MS } from '../../src/protocol/duration.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { shaped } from '../../src/protocol/shapes.ts'
import { shapedCommands } from '../../src/protocol/workflow-messages.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const failing = task({
  name: 'failing',
  run: () => {
    throw new Error('no')
  },
})
const BASE = { namespace: 'default', name: 'failing', queue: 'default', input: encodePayload(1) }
const RETRY = { maxAttempts: 5, initialMs: 1, maxMs: 1, backoff: 'full-jitter', nonRetryable: [] }

const withTimes = (ms: number): readonly object[] => [
  { delayMs: ms },
  { timeouts: { scheduleToCloseMs: ms } },
  { timeouts: { scheduleToStartMs: ms } },
  { timeouts: { startToCloseMs: ms } },
  { timeouts: { heartbeatMs: ms } },
  { dedupe: { key: 'k', forMs: ms } },
  { debounce: { key: 'k', waitMs: ms } },
  { debounce: { key: 'k', waitMs: 1, maxWaitMs: ms } },
  { retry: { ...RETRY, initialMs: ms } },
  { retry: { ...RETRY, maxMs: ms } },
]

test('durations of tasks are whole and bounded, in calls of clients and in commands of workflow code', () => {
  const enqueue = (more: object) =>
    shaped(CLIENT_METHODS['tasks.enqueue'], [[{ ...BASE, ...more }]], 'enqueue')
  for (const ms of [0, 1000, LONGEST_MS]) for (const more of withTimes(ms)) assert.ok(enqueue(more))
  for (const ms of [0.25, 1000.5, 1e300, LONGEST_MS + 1, -1])
    for (const more of withTimes(ms))
      assert.throws(() => enqueue(more), /not a whole number from/, JSON.stringify(more))
  for (const command of [
    { kind: 'sleep', op: 1, delayMs: 0.5 },
    { kind: 'sleep', op: 1, untilMs: 0.5 },
    { kind: 'wait', op: 1, signal: 's', timeoutMs: 1e300 },
    { kind: 'task', op: 1, name: 't', queue: 'q', input: encodePayload(1), options: { delayMs: 0.5 } },
    { kind: 'step', op: 1, name: 's', retry: { ...RETRY, initialMs: 1e300 } },
  ])
    assert.throws(() => shapedCommands([command]), /not a whole number from/)
})

test('a task whose names and requirements fit into no index is refused, and the engine goes on', async () => {
  await using engine = await createEngine({ store: 'memory', tasks: [failing], ...quiet })
  const label = (n: number): string => `${n}`.repeat(400)
  const labels = Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8].map((n) => [`l${n}`, label(n)]))
  const tooLarge = { code: 'ARGUMENT_INVALID', message: /bytes together, at most 2500/ }
  await assert.rejects(engine.enqueue(failing, undefined, { requires: { labels } }), tooLarge)
  await assert.rejects(engine.enqueue(failing, undefined, { dedupeKey: '\u0001'.repeat(512) }), tooLarge)
  const few = Object.fromEntries(Object.entries(labels).slice(0, 2))
  await engine.enqueue(failing, undefined, { requires: { labels: few }, key: 'k'.repeat(500) })
  await engine.enqueue(failing, undefined, { key: 'ä'.repeat(256), queue: 'q'.repeat(512) })
  const named = (id: string) => shaped(CLIENT_METHODS['tasks.describe'], [{ namespace: 'n', id }], 'describe')
  assert.ok(named('ä'.repeat(256)))
  assert.throws(() => named('ä'.repeat(257)), /longer than 512 bytes/)
})

test('an engine refuses durations that its store cannot hold, and goes on', async () => {
  await using engine = await createEngine({ store: 'memory', tasks: [failing], ...quiet })
  const { url } = await engine.listen()
  const socket = new WebSocket(url, [CLIENT_PROTOCOL])
  await once(socket, 'open')
  let id = 0
  const enqueue = async (more: object): Promise<{ result?: unknown; failure?: { code?: string } }> => {
    id += 1
    socket.send(JSON.stringify([{ id, method: 'tasks.enqueue', args: [[{ ...BASE, ...more }]] }]))
    const [data] = await once(socket, 'message')
    return JSON.parse(String(data))[0]
  }
  for (const more of [...withTimes(1000.5), ...withTimes(1e300)]) {
    const { failure } = await enqueue(more)
    assert.equal(failure?.code, 'PROTOCOL_INVALID')
  }
  assert.ok((await enqueue({})).result)
  assert.equal(engine.isFailed, false)
  socket.close()
})
