// What a worker's socket answers: to each role, in its own namespace, in another one, and in one that is not there; to whoever
// speaks before it is admitted; and to whoever has been revoked. By hand, over real connections.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { WorkerMessage } from '../../src/protocol/worker-messages.ts'
import { WORKER_ACTIONS } from '../../src/server/access/worker-actions.ts'
import { createEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'

const OWN = 'billing'
const FOREIGN = 'shipping'
const MISSING = 'nowhere'
const PROTOCOL = 'perdure.worker.v1'
const POLICY_VIOLATION = 1008
const RULES: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

/** Who may be a worker; what the others are told in their own namespace. */
const MATRIX = {
  admin: 'welcome',
  operator: 'FORBIDDEN',
  developer: 'FORBIDDEN',
  worker: 'welcome',
  participant: 'FORBIDDEN',
  auditor: 'FORBIDDEN',
  viewer: 'FORBIDDEN',
  none: 'NAMESPACE_NOT_FOUND',
} as const

/** One of each type, as a worker that is admitted might say it. */
const failure = { kind: 'application', name: 'Error', message: 'no' } as const
const MESSAGES: { readonly [T in Exclude<WorkerMessage['type'], 'hello'>]: WorkerMessage & { type: T } } = {
  load: { type: 'load', cpu: 0.5, eventLoopDelayMs: 1, memory: 0.5, diskIo: 0, inFlight: 0 },
  credits: { type: 'credits', total: 50 },
  leave: { type: 'leave' },
  completed: { type: 'completed', token: 'x', result: [1, 'json', null, 1] },
  failed: { type: 'failed', token: 'x', failure },
  yielded: { type: 'yielded', token: 'x', checkpoint: [1, 'json', null, 1] },
  returned: { type: 'returned', token: 'x' },
  heartbeat: { type: 'heartbeat', token: 'x' },
  progress: { type: 'progress', token: 'x', fraction: 0.5 },
  released: { type: 'released', token: 'x' },
  turn: { type: 'turn', run: 1, seen: 1, idle: true },
  'step-completed': { type: 'step-completed', run: 1, op: 1, attempt: 1, result: [1, 'json', null, 1] },
  'step-failed': { type: 'step-failed', run: 1, op: 1, attempt: 1, failure },
  answer: { type: 'answer', run: 1, call: 1 },
  verdict: { type: 'verdict', run: 1, call: 1, verdict: 'accepted' },
  waiting: { type: 'waiting', run: 1, call: 1, waits: [] },
}

let engine: EmbeddedEngine
let url: string

before(async () => {
  engine = await createEngine({ store: 'memory', workflows: [], logger: silentLogger, access: {} })
  url = (await engine.listen()).url
  for (const name of [OWN, FOREIGN]) await engine.access?.namespaces.create(RULES, name)
})
after(() => engine.close())

async function keyOf(role: string): Promise<{ readonly id: string; readonly key: string }> {
  const made = await engine.access?.admin.createKey(RULES, {
    name: role,
    roles: role === 'none' ? [] : [`${role}@${OWN}`],
  })
  assert.ok(made !== undefined)
  return made
}

interface Talk extends Disposable {
  readonly said: readonly string[]
  readonly closed: Promise<number>
  /** Resolves to whether the engine has said something of this type before it closed the connection. */
  hears(type: string): Promise<boolean>
}

async function talk(key: string, messages: readonly object[]): Promise<Talk> {
  const socket = new WebSocket(url, [PROTOCOL], { headers: { authorization: `Bearer ${key}` } })
  const said: string[] = []
  const listeners = new Set<() => void>()
  socket.on('message', (data) => {
    said.push(String(data))
    for (const each of listeners) each()
  })
  const closed = new Promise<number>((resolve) => void socket.on('close', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve())
    socket.on('error', reject)
  })
  socket.send(JSON.stringify(messages))
  return {
    said,
    closed,
    hears: (type) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (said.some((text) => text.includes(`"${type}"`))) resolve(true)
        }
        listeners.add(look)
        void closed.then(() => resolve(false))
        look()
      }),
    [Symbol.dispose]: () => socket.terminate(),
  }
}

const hello = (namespace: string, more: object = {}): object => ({
  type: 'hello',
  namespace,
  tasks: ['mail'],
  credits: 1,
  ...more,
})

async function remotes(): Promise<number> {
  const everywhere = await Promise.all(
    [OWN, FOREIGN].map((namespace) => engine.access?.closed.portOf(RULES).workers.list(namespace)),
  )
  return everywhere.flatMap((list) => list ?? []).filter(({ isLocal }) => !isLocal).length
}

/** What was said to who is refused, without what must differ. */
async function refusalOf(key: string, namespace: string): Promise<string> {
  using refused = await talk(key, [hello(namespace), MESSAGES.credits, hello(OWN)])
  assert.equal(await refused.closed, POLICY_VIOLATION)
  assert.equal(await refused.hears('welcome'), false)
  return refused.said.join().replaceAll(namespace, 'NAMESPACE')
}

for (const [role, expected] of Object.entries(MATRIX))
  describe(role, () => {
    test('says hello', async () => {
      const { key } = await keyOf(role)
      if (expected === 'welcome') {
        using admitted = await talk(key, [hello(OWN)])
        assert.ok(await admitted.hears('welcome'), admitted.said.join())
      } else assert.match(await refusalOf(key, OWN), new RegExp(expected))
      const missing = await refusalOf(key, MISSING)
      assert.match(missing, /NAMESPACE_NOT_FOUND/)
      assert.equal(await refusalOf(key, FOREIGN), missing)
    })
  })

test('there is a message of each type here', () => {
  assert.deepEqual(['hello', ...Object.keys(MESSAGES)].sort(), Object.keys(WORKER_ACTIONS).sort())
})

describe('before it is admitted', () => {
  for (const [type, message] of Object.entries(MESSAGES))
    test(type, async () => {
      const { key } = await keyOf('worker')
      using early = await talk(key, [message, hello(OWN)])
      assert.equal(await early.hears('welcome'), false, early.said.join())
      assert.equal(await early.closed, POLICY_VIOLATION)
      assert.match(early.said.join(), new RegExp(`the first message is ${type}, not hello`))
    })
})

test('whose key is revoked is cut off, and does not get in again', async () => {
  const { id, key } = await keyOf('worker')
  using admitted = await talk(key, [hello(OWN)])
  assert.ok(await admitted.hears('welcome'))
  await engine.access?.admin.revokeKey(RULES, id)
  assert.equal(await admitted.closed, POLICY_VIOLATION)
  await assert.rejects(talk(key, [hello(OWN)]), /401/)
})

test('in the end nobody is left', async () => {
  for (let i = 0; i < 200 && (await remotes()) > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 25))
  assert.equal(await remotes(), 0)
})
