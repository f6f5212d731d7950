// What a worker's socket answers: to each role, in its own namespace, in another one, and in one that is not there; to whoever
// speaks before it is admitted; and to whoever has been revoked. By hand, over real connections.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { Payload } from '../../src/protocol/payload.ts'
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
  say(messages: readonly object[]): void
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
    say: (more) => socket.send(JSON.stringify(more)),
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
  using refused = await talk(key, [hello(namespace), ...Object.values(MESSAGES), hello(OWN)])
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

/**
 * What becomes of a message of a worker that is admitted, by whom the task or run is of that it names: of its own connection, of a
 * worker of another namespace, or of nobody. `heard`: it counts; `rejected`: it is told so, and goes on; `ended`: its connection is;
 * `none`: it names nothing, and is about the worker itself.
 */
type Fate = 'heard' | 'rejected' | 'ended' | 'none'
const HELD: Readonly<
  Record<keyof typeof MESSAGES, { readonly own: Fate; readonly foreign: Fate; readonly missing: Fate }>
> = {
  load: { own: 'heard', foreign: 'none', missing: 'none' },
  credits: { own: 'heard', foreign: 'none', missing: 'none' },
  leave: { own: 'heard', foreign: 'none', missing: 'none' },
  completed: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  failed: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  yielded: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  returned: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  heartbeat: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  progress: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  released: { own: 'heard', foreign: 'rejected', missing: 'rejected' },
  turn: { own: 'heard', foreign: 'ended', missing: 'ended' },
  'step-completed': { own: 'heard', foreign: 'ended', missing: 'ended' },
  'step-failed': { own: 'heard', foreign: 'ended', missing: 'ended' },
  answer: { own: 'heard', foreign: 'ended', missing: 'ended' },
  verdict: { own: 'heard', foreign: 'ended', missing: 'ended' },
  waiting: { own: 'heard', foreign: 'ended', missing: 'ended' },
}

/** A worker that has been given a task and a run, the only ones that it may have. */
interface Busy extends Talk {
  readonly token: string
  readonly run: number
  /** Of the task. */
  readonly id: { readonly namespace: string; readonly id: string }
  /** The execution. */
  readonly target: { readonly key: { readonly namespace: string; readonly workflowId: string } }
}

interface Heard {
  readonly type: string
  readonly token?: string
  readonly run?: number
  readonly call?: number
}

const heardBy = ({ said }: Talk): readonly Heard[] =>
  said.flatMap((text) => JSON.parse(text) as readonly Heard[])

const ONE: Payload = [1, 'json', null, 1]
let works = 0

async function busy(namespace: string): Promise<Busy> {
  const { access } = engine
  assert.ok(access !== undefined)
  const { key } = await access.admin.createKey(RULES, { name: 'worker', roles: [`worker@${namespace}`] })
  works += 1
  const name = `work-${works}`
  const worker = await talk(key, [hello(namespace, { tasks: [name], workflows: [{ name, version: '1' }] })])
  assert.ok(await worker.hears('welcome'))
  const port = access.closed.portOf(RULES)
  const id = { namespace, id: name }
  await port.tasks.enqueue([{ ...id, name, queue: name, input: ONE }])
  const target = { key: { namespace, workflowId: name } }
  await port.start({ ...target, workflow: name, version: '1', input: ONE, onConflict: 'fail' })
  assert.ok((await worker.hears('task')) && (await worker.hears('activate')))
  const { token = '' } = heardBy(worker).find(({ type }) => type === 'task') ?? {}
  const { run = 0 } = heardBy(worker).find(({ type }) => type === 'activate') ?? {}
  return { ...worker, token, run, id, target, [Symbol.dispose]: () => worker[Symbol.dispose]() }
}

/** What has to be asked or said before such a message is in place. The number of the question, if it is an answer. */
async function begun(worker: Busy, type: keyof typeof MESSAGES): Promise<number> {
  const { id, run, target } = worker
  const port = engine.access?.closed.portOf(RULES)
  assert.ok(port !== undefined)
  if (type === 'released') {
    await port.tasks.cancel(id, 'for tests')
    assert.ok(await worker.hears('abort'))
  }
  const questions: Partial<Record<typeof type, readonly [ask: () => Promise<unknown>, asked: string]>> = {
    answer: [() => port.query(target, 'state', ONE), 'query'],
    verdict: [() => port.update(target, 'add', ONE, 'update'), 'validate'],
    waiting: [() => port.explain(target), 'waits'],
  }
  const [ask, asked = ''] = questions[type] ?? []
  if (ask === undefined) return 0
  worker.say([{ type: 'turn', run, seen: 1, idle: true }])
  // It is not waited for: what the caller is told is not what is looked at here.
  void ask().catch(() => undefined)
  assert.ok(await worker.hears(asked))
  const { call = 0 } = heardBy(worker).find((each) => each.type === asked) ?? {}
  return call
}

/** What becomes of the message, and in which words it was told. */
async function fateOf(
  worker: Talk,
  message: object,
): Promise<{ readonly fate: Fate; readonly words: string }> {
  const before = worker.said.length
  // Answered after whatever is answered to the message.
  worker.say([message, { ...MESSAGES.completed, token: 'marker' }])
  const isOpen = await worker.hears('marker')
  const words = worker.said
    .slice(before)
    .join()
    .replace(/\{[^{]*"marker"[^}]*\}/, '')
  if (!isOpen) return { fate: 'ended', words }
  return { fate: words.includes('"rejected"') ? 'rejected' : 'heard', words }
}

describe('what a worker says of tasks and runs', () => {
  for (const [type, message] of Object.entries(MESSAGES))
    test(type, async () => {
      const row = HELD[message.type]
      const about = (token: string, run: number): object => ({
        ...message,
        ...('token' in message ? { token } : {}),
        ...('run' in message ? { run } : {}),
      })
      using foreign = await busy(FOREIGN)
      {
        using own = await busy(OWN)
        const call = await begun(own, message.type)
        const asked = 'call' in message ? { call } : {}
        assert.equal((await fateOf(own, { ...about(own.token, own.run), ...asked })).fate, row.own, 'its own')
      }
      if (row.foreign === 'none') {
        assert.ok(!('token' in message) && !('run' in message))
      } else {
        const { key } = await keyOf('worker')
        using theirs = await talk(key, [hello(OWN)])
        assert.ok(await theirs.hears('welcome'))
        const told = await fateOf(theirs, about(foreign.token, foreign.run))
        using nobodys = await talk(key, [hello(OWN)])
        assert.ok(await nobodys.hears('welcome'))
        const missing = await fateOf(nobodys, about('nobody', 999))
        assert.deepEqual([told.fate, missing.fate], [row.foreign, row.missing])
        const without = (words: string): string =>
          words.replaceAll(foreign.token, 'nobody').replaceAll(`run ${foreign.run} `, 'run 999 ')
        assert.equal(without(told.words), missing.words)
      }
      // Nothing of it has come to the other worker, whose task is as it was, and ends as that one says.
      const { length } = foreign.said
      assert.equal((await fateOf(foreign, { ...MESSAGES.completed, token: foreign.token })).fate, 'heard')
      assert.match(foreign.said.slice(length).join(), /^[^[]*\[\{[^{]*"marker"[^}]*\}\]$/)
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
