// Updates that nobody waits for any more: what is kept of them ends with whoever asked for them, or with the execution.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { openEncryption, silentLogger, update, workflow } from '../../src/index.ts'
import { CLIENT_PROTOCOL } from '../../src/protocol/client-messages.ts'
import type { Payload } from '../../src/protocol/payload.ts'
import { RemotePort } from '../../src/sdk/connect/remote-port.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { rsaKeys } from '../encryption/rsa-keys.ts'
import { go, waiting } from '../http/http-fixture.ts'
import { until } from '../tasks/task-fixtures.ts'

const MANY = 2000
const ONE: Payload = [1, 'json', null, 1]
const slow = update<number, number>('slow')
const slowly = workflow({
  name: 'slowly',
  run: async (ctx) => {
    ctx.onUpdate(slow, async (value) => {
      await ctx.waitFor(go)
      return value + 1
    })
    await ctx.sleep('1h')
  },
})
const target = { key: { namespace: 'default', workflowId: 'w' } }

async function opened(name: 'waiting' | 'slowly') {
  const engine = await openEngine(
    { store: 'memory', workflows: [waiting, slowly], logger: silentLogger, shutdownGrace: 0 },
    {},
  )
  await engine.calls.start({ ...target, workflow: name, version: '1', input: ONE, onConflict: 'fail' })
  const kept = (): number => {
    const { updateRequests = [], updateWaiters } = engine.engine.table.current(target.key) ?? {}
    return updateRequests.length + [...(updateWaiters?.values() ?? [])].flat().length
  }
  return { engine, port: engine.calls, kept, [Symbol.asyncDispose]: () => engine.close() }
}

test('those that no handler takes go with their callers', async () => {
  await using on = await opened('waiting')
  const stop = new AbortController()
  const codes: (string | undefined)[] = []
  for (let i = 0; i < MANY; i++)
    on.port
      .update(target, 'never', ONE, `u-${i}`, { signal: stop.signal })
      .catch(({ code }) => codes.push(code))
  await until(() => on.kept() === MANY)
  stop.abort()
  await until(() => codes.length === MANY)
  assert.deepEqual([...new Set(codes)], ['CANCELLED'])
  assert.equal(on.kept(), 0)
  await assert.rejects(on.port.update(target, 'never', ONE, 'u', { signal: stop.signal }), {
    code: 'CANCELLED',
  })
  assert.equal(on.kept(), 0)
  assert.equal(on.engine.engine.table.busy, 0, 'the execution can leave memory')
  // And one that comes later is taken as ever.
  assert.deepEqual(await on.port.update(target, 'add', ONE, 'last'), ONE)
})

test('one that was accepted goes on, and its result is there for whoever asks again', async () => {
  await using on = await opened('slowly')
  const stop = new AbortController()
  const left = on.port.update(target, 'slow', ONE, 'u', { signal: stop.signal })
  const stays = on.port.update(target, 'slow', ONE, 'u')
  await until(() => on.kept() === 2)
  stop.abort()
  await assert.rejects(left, { code: 'CANCELLED' })
  assert.equal(on.kept(), 1)
  await on.port.signal(target, 'go', ONE)
  assert.deepEqual(await stays, [1, 'json', null, 2])
  assert.deepEqual(await on.port.update(target, 'slow', ONE, 'u'), [1, 'json', null, 2])
  assert.equal(on.kept(), 0)
})

test('one whose payload is encrypted goes with its caller too', async () => {
  await using encryption = await openEncryption({ keys: { privateKeys: [rsaKeys().privateKey] } })
  const settings = { encryption, logger: silentLogger, shutdownGrace: 0 }
  const { port, engine, close } = await openEngine({ store: 'memory', workflows: [waiting], ...settings }, {})
  try {
    await port.start({ ...target, workflow: 'waiting', version: '1', input: ONE, onConflict: 'fail' })
    const stop = new AbortController()
    const asked = port.update(target, 'never', ONE, 'u', { signal: stop.signal })
    await until(() => engine.table.current(target.key)?.updateRequests?.length === 1)
    stop.abort()
    await assert.rejects(asked, { code: 'CANCELLED' })
  } finally {
    await close()
  }
})

test('those of a connection go with it, and those of a request with the request', async () => {
  await using on = await opened('waiting')
  const { url } = await on.engine.listen()
  const socket = new WebSocket(url, [CLIENT_PROTOCOL])
  await once(socket, 'open')
  const calls = Array.from({ length: 100 }, (_, i) => ({
    id: i,
    method: 'update',
    args: [target, 'never', ONE, `u-${i}`],
  }))
  socket.send(JSON.stringify(calls))
  await until(() => on.kept() === 100)
  socket.send(JSON.stringify([{ cancel: 7 }]))
  await until(() => on.kept() === 99)
  socket.terminate()
  await until(() => on.kept() === 0)

  const stop = new AbortController()
  const asked = fetch(`${url.replace('ws', 'http')}/v1/executions/w/updates/never`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    signal: stop.signal,
  })
  await until(() => on.kept() === 1)
  stop.abort()
  await assert.rejects(asked)
  await until(() => on.kept() === 0)
})

test('over a connection, whoever waits for an update or a result can stop waiting', async () => {
  await using on = await opened('waiting')
  const { url } = await on.engine.listen()
  const remote = new RemotePort({ url, warn: () => {} })
  const { port } = remote
  try {
    const stop = new AbortController()
    const asked = port.update(target, 'never', ONE, 'u', { signal: stop.signal })
    const awaited = port.outcome(target, { signal: stop.signal })
    await until(() => on.kept() === 1)
    stop.abort()
    await assert.rejects(asked, { code: 'CANCELLED' })
    await assert.rejects(awaited, { code: 'CANCELLED' })
    assert.equal(on.kept(), 0)
    assert.deepEqual(await port.update(target, 'add', ONE, 'last', undefined), ONE)
  } finally {
    remote.close()
  }
})

test('those of an execution go with it', async () => {
  await using on = await opened('waiting')
  const asked = on.port.update(target, 'never', ONE, 'u')
  await until(() => on.kept() === 1)
  await on.port.terminate(target, 'enough')
  await assert.rejects(asked, { code: 'EXECUTION_CLOSED' })
  assert.equal(on.kept(), 0)
})
