// REST and server-sent events of three nodes behind real nginx and HAProxy: streams that are quiet, nodes that are killed and drained.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../src/client.ts'
import { ended } from '../cli/start-process.ts'
import { checkDatabase } from '../postgres/cluster-client.ts'
import { addOne } from '../postgres/cluster-workload.ts'
import { EventReader } from './event-reader.ts'
import { FRONTS, Front, type FrontName, missingFronts } from './front.ts'
import { NodesBehind } from './nodes-behind.ts'
import { listening, word } from './rest-definitions.ts'
import { CLIENTS, connectionsTo, type Load, readinessOf, tell, underLoad } from './under-load.ts'

const skip = missingFronts()
const DEFINITIONS = join(import.meta.dirname, 'rest-definitions.ts')
const COMMENT_MS = 400
/** Each longer than the two before: what is sent in between is what keeps a stream. */
const IMPATIENT_MS = 200
const PATIENT_MS = 2000
const QUIET_MS = 4500

const baseOf = (front: Front): string => `http://127.0.0.1:${front.port}`

/** With less patience than is written: both sides of it. */
const patience =
  (ms: number) =>
  (text: string): string => {
    const edited = text
      .replaceAll(/proxy_(read|send)_timeout 1h/g, `proxy_$1_timeout ${ms}ms`)
      .replaceAll(/timeout (client|server) 1h/g, `timeout $1 ${ms}ms`)
    assert.notEqual(edited, text)
    return edited
  }

/** The client of the package over HTTP: from start to result. */
const workThrough: Load = async (front, tally, isOver, id) => {
  const client = createClient({ url: baseOf(front) })
  for (let i = 0; !isOver(); i++) {
    try {
      const execution = await client.start(addOne, i, { id: `${id}-${i}` })
      const result = await execution.result()
      if (result !== i + 1) tally.failures.push(`${id}-${i}: ${result}`)
      tally.answered += 1
    } catch (error) {
      tally.failures.push(`${id}-${i}: ${error}`)
    }
  }
}

/** A client that asks nothing twice, on a connection that is kept. A start of an execution that is there already is refused. */
function asking(kind: 'read' | 'post' | 'post-with-key'): Load {
  return async (front, tally, isOver, id) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; !isOver(); i++) {
      const headers = {
        ...(kind === 'read' ? {} : { 'content-type': 'application/json' }),
        ...(kind === 'post-with-key' ? { 'idempotency-key': `${id}-${i}` } : {}),
      }
      const method = kind === 'read' ? 'GET' : 'POST'
      const path = kind === 'read' ? '/v1/executions?limit=1' : '/v1/executions'
      try {
        const sent = request({ host: '127.0.0.1', port: front.port, path, method, agent, headers })
        if (kind === 'read') sent.end()
        else
          sent.end(JSON.stringify({ workflow: addOne.name, id: `${id}-${i}`, input: i, onConflict: 'fail' }))
        const [response] = (await once(sent, 'response')) as [IncomingMessage]
        response.resume()
        await once(response, 'end')
        if (response.statusCode === (kind === 'read' ? 200 : 201)) tally.answered += 1
        else tally.failures.push(`${id}-${i}: ${response.statusCode}`)
      } catch (error) {
        tally.failures.push(`${id}-${i}: ${error}`)
      }
    }
    agent.destroy()
  }
}

const LOADS = {
  workThrough,
  read: asking('read'),
  post: asking('post'),
  postWithKey: asking('post-with-key'),
} as const

async function opened(front: Front, id: string, lastEventId?: string): Promise<EventReader> {
  for (;;) {
    const reader = await EventReader.open(front.port, `/v1/executions/${id}/watch`, lastEventId)
    if (reader instanceof EventReader) return reader
    assert.ok(reader === 502 || reader === 503, `${reader}`)
    await sleep(100)
  }
}

describe('REST behind load balancers', { skip }, () => {
  if (skip !== false) return
  const folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-rest-'))
  let nodes: NodesBehind
  let fronts: Record<FrontName, Front>

  before(async () => {
    const config = join(folder.path, 'perdure.config.mjs')
    writeFileSync(config, `export default { http: { limits: { commentMs: ${COMMENT_MS} } } }\n`)
    nodes = await NodesBehind.start(['--workflows', DEFINITIONS, '--config', config])
    const options = { nodes: nodes.list() }
    fronts = { nginx: await Front.start('nginx', options), haproxy: await Front.start('haproxy', options) }
    await nodes.shared(3, fronts.haproxy.port)
  })
  after(async () => {
    for (const front of Object.values(fronts)) await front[Symbol.asyncDispose]()
    await nodes[Symbol.asyncDispose]()
    folder.remove()
  })

  for (const name of FRONTS)
    test(`${name}: a stream outlives a time limit that is shorter than it is quiet, and has each event when it happens`, async () => {
      const client = createClient({ url: baseOf(fronts[name]) })
      const id = `quiet-${name}`
      const execution = await client.start(listening, 3, { id })
      const options = { nodes: nodes.list() }
      await using impatient = await Front.start(name, options, patience(IMPATIENT_MS))
      await using patient = await Front.start(name, options, patience(PATIENT_MS))
      const cut = await opened(impatient, id)
      const kept = await opened(patient, id)
      // The limit is one: nothing is sent for longer than it.
      assert.equal(await cut.ended, false)
      await sleep(QUIET_MS)
      assert.equal(kept.hasEnded, false)
      assert.equal(kept.response.headers['content-type'], 'text/event-stream')
      assert.equal(kept.response.headers['content-encoding'], undefined)
      for (let i = 0; i < 3; i++) {
        const before = kept.events.length
        await execution.signal(word, 1)
        // Before the next one is sent.
        await kept.has(before + 1)
        assert.ok(kept.events.length > before, 'the stream has ended')
      }
      assert.equal(await kept.ended, true)
      assert.deepEqual(
        kept.ids.map((each) => Number(each.split(':')[1])),
        kept.ids.map((_, i) => i + 1),
      )
      assert.equal(kept.events.at(-1)?.event, 'end')
    })

  test('a stream whose node is killed goes on at another one: no event is missing, none comes twice', async () => {
    const half = 4
    // The heaviest node gets the first connection.
    const weights = { nodes: nodes.list([200, 1, 1]) }
    await using nginx = await Front.start('nginx', weights)
    await using haproxy = await Front.start('haproxy', weights)
    const client = createClient({ url: baseOf(fronts.haproxy) })
    const watched = await Promise.all(
      [nginx, haproxy].map(async (front, i) => {
        const id = `killed-${i}`
        const execution = await client.start(listening, 2 * half, { id })
        const reader = await opened(front, id)
        const say = async (): Promise<void> => {
          for (let each = 0; each < half; each++) await execution.signal(word, 1)
        }
        await say()
        await reader.has(1 + half)
        assert.equal(reader.hasEnded, false)
        return { id, front, reader, say, execution }
      }),
    )
    await nodes.kill(0)
    for (const { id, front, reader, say, execution } of watched) {
      assert.equal(await reader.ended, false, 'the node behind it was the one that was killed')
      const said = say()
      const next = await opened(front, id, reader.ids.at(-1))
      assert.equal(await next.ended, true)
      await said
      const { runId } = await execution.describe()
      const ids = [...reader.ids, ...next.ids]
      assert.deepEqual(
        ids,
        ids.map((_, i) => `${runId}:${i + 1}`),
      )
      assert.equal(next.events.at(-1)?.event, 'end')
      assert.equal(await execution.result(), 2 * half)
    }
    await nodes.startAgain(0)
  })

  test('a node is killed under load: who asks again, or sends a key, does not fail; others once for each lost connection', async (t) => {
    let connections = 0
    const tallies = await underLoad(fronts, LOADS, 'kill', async () => {
      connections = connectionsTo(nodes.at(1).port)
      await nodes.kill(1)
      // It is fenced, and what it had goes on elsewhere.
      await sleep(3000)
    })
    let failed = 0
    for (const front of FRONTS) {
      const { workThrough: work, read, postWithKey, post } = tallies[front]
      tell(t, front, tallies[front])
      assert.deepEqual([work.failures, read.failures, postWithKey.failures], [[], [], []], front)
      failed += post.failures.length
    }
    t.diagnostic(`${failed} calls failed; the node had ${connections} connections`)
    assert.ok(failed <= connections, `${failed} of ${connections}`)
    await nodes.startAgain(1)
  })

  test('a node is drained under load and ends: no call fails', async (t) => {
    const leaving = nodes.at(2)
    const tallies = await underLoad(fronts, LOADS, 'drain', async () => {
      const exit = ended(leaving.running)
      while ((await readinessOf(leaving.port)).reason !== 'draining') await sleep(20)
      assert.equal(await exit, 0)
    })
    for (const front of FRONTS) {
      tell(t, front, tallies[front])
      // nginx asks no node how it is: it may send a request just when the node takes no more connections. Never a second one.
      for (const [name, { failures }] of Object.entries(tallies[front]))
        if (front === 'nginx' && name === 'post') assert.ok(failures.length <= CLIENTS, `${failures}`)
        else assert.deepEqual(failures, [], `${front}: ${name}`)
    }
  })

  test('nothing was lost, and nothing is left', async () => {
    const client = createClient({ url: baseOf(fronts.nginx) })
    while ((await client.list({ status: ['running', 'parked'], limit: 1 })).executions.length > 0)
      await sleep(50)
    await checkDatabase(nodes.server, nodes.database.name)
  })
})
