// What a client's socket answers: every message, to each role, about what is in its own namespace, in another one, and in one that is
// not there. The engine is real, and so is what the messages are about; who may do what is in role-matrix.ts, by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import {
  CLIENT_METHODS,
  CLIENT_PROTOCOL,
  type ClientMethod,
  type EngineReply,
  engineRepliesOf,
} from '../../src/protocol/client-messages.ts'
import type { ClientPort } from '../../src/protocol/client-port.ts'
import type { Payload } from '../../src/protocol/payload.ts'
import { createEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { approving, failing, quick, square, waiting } from '../http/http-fixture.ts'
import { until } from '../tasks/task-fixtures.ts'
import { CALL_MATRIX, MATRIX_ROLES, type MatrixRole } from './role-matrix.ts'

const OWN = 'billing'
const FOREIGN = 'shipping'
const MISSING = 'nowhere'
/** Whom the human tasks are for. */
const USER = 'ann'
const RULES: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
const ONE: Payload = [1, 'json', null, 1]
const EMPTY: Payload = [1, 'json', null, {}]

/** Where the things are that a message is about. */
interface Place {
  readonly namespace: string
  /** The beginning of the names of all of them. */
  readonly of: string
  readonly humanTask: string
}

const run = ({ namespace, of }: Place, name: string) => ({ key: { namespace, workflowId: `${of}-${name}` } })
const thing = ({ namespace, of }: Place, name: string) => ({ namespace, id: `${of}-${name}` })
const queue = ({ namespace }: Place) => ({ namespace, queue: 'letters' })
const started = { workflow: 'quick', version: '1', input: ONE, idPrefix: 'scheduled' }
const hourly = { times: { kind: 'interval', everyMs: 3_600_000, offsetMs: 0 } }
const enqueued = { name: 'outside', queue: 'outside', input: ONE }

/** Arguments of each call; each about something of its own, if it changes it. */
const ARGUMENTS: { readonly [M in ClientMethod]: (place: Place) => readonly unknown[] } = {
  start: (at) => [{ ...run(at, 'new'), workflow: 'quick', version: '1', input: ONE, onConflict: 'fail' }],
  signal: (at) => [run(at, 'open'), 'more', ONE, 'request'],
  query: (at) => [run(at, 'open'), 'state', EMPTY],
  update: (at) => [run(at, 'open'), 'add', ONE, 'update'],
  outcome: (at) => [run(at, 'ended')],
  cancel: (at) => [run(at, 'cancelled'), 'reason'],
  terminate: (at) => [run(at, 'terminated'), 'reason'],
  retry: (at) => [run(at, 'failed')],
  describe: (at) => [run(at, 'open')],
  explain: (at) => [run(at, 'open')],
  history: (at) => [run(at, 'open'), 0, { limit: 10, wait: false }],
  list: ({ namespace }) => [{ namespace }],
  delete: (at) => [run(at, 'deleted')],
  'tasks.enqueue': ({ namespace, of }) => [[{ ...enqueued, namespace, id: `${of}-new` }]],
  'tasks.outcome': (at) => [thing(at, 'ended')],
  'tasks.describe': (at) => [thing(at, 'waiting')],
  'tasks.explain': (at) => [thing(at, 'waiting')],
  'tasks.list': ({ namespace }) => [{ namespace }],
  'tasks.cancel': (at) => [thing(at, 'cancelled'), 'reason'],
  'tasks.retry': (at) => [thing(at, 'retried')],
  'tasks.retryMany': ({ namespace }) => [{ namespace, idPrefix: 'none' }],
  'tasks.reprioritise': (at) => [thing(at, 'waiting'), 3],
  'tasks.delete': (at) => [thing(at, 'deleted')],
  'tasks.explainQueue': (at) => [{ ...queue(at), queue: 'outside' }],
  'schedules.create': (at) => [
    thing(at, 'new'),
    { ...hourly, overlap: 'skip', catchUpMs: 0, jitterMs: 0, start: started },
    { onConflict: 'fail', paused: 'for tests' },
  ],
  'schedules.update': (at) => [thing(at, 'kept'), { jitterMs: 1 }],
  'schedules.pause': (at) => [thing(at, 'kept'), 'reason'],
  'schedules.resume': (at) => [thing(at, 'resumed')],
  'schedules.trigger': (at) => [thing(at, 'kept'), { requestId: 'request' }],
  'schedules.backfill': (at) => [
    thing(at, 'kept'),
    { fromMs: 1_700_000_000_000, toMs: 1_700_000_000_001, overlap: 'skip' },
  ],
  'schedules.describe': (at) => [thing(at, 'kept')],
  'schedules.list': ({ namespace }) => [{ namespace }],
  'schedules.delete': (at) => [thing(at, 'deleted')],
  // All open ones.
  'people.inbox': ({ namespace }) => [{ namespace }],
  'people.describe': ({ namespace, humanTask }) => [{ namespace, id: humanTask }],
  'people.history': ({ namespace, humanTask }) => [{ namespace, id: humanTask }],
  // As oneself.
  'people.act': ({ namespace, humanTask }) => [
    { namespace, id: humanTask },
    { user: USER, groups: [] },
    { kind: 'claim' },
    'request',
  ],
  'workers.list': ({ namespace }) => [namespace],
  'nodes.list': () => [],
  'nodes.shards': () => [],
  'nodes.drain': () => ['node-1'],
  'queues.list': ({ namespace }) => [namespace],
  'queues.get': (at) => [queue(at)],
  'queues.set': (at) => [queue(at), { concurrency: 3 }, {}],
  'queues.pause': (at) => [queue(at), 'reason', {}],
  'queues.resume': (at) => [queue(at), {}],
  'queues.reset': (at) => [queue(at), undefined, {}],
}

/** What an engine that is alone says of nodes to whoever may ask. */
const ALONE: Readonly<Record<string, string>> = {
  'nodes.drain': 'NODE_NOT_FOUND',
}

let engine: EmbeddedEngine
let port: ClientPort
let url: string

before(async () => {
  const workflows = [waiting, failing, quick, approving]
  engine = await createEngine({
    store: 'memory',
    workflows,
    tasks: [square],
    logger: silentLogger,
    access: {},
  })
  url = (await engine.listen()).url
  const { access } = engine
  assert.ok(access !== undefined)
  port = access.closed.portOf(RULES)
  for (const name of [OWN, FOREIGN]) await access.namespaces.create(RULES, name)
})
after(() => engine.close())

async function thingsIn(namespace: string, of: string): Promise<Place> {
  const at = { namespace, of, humanTask: '' }
  const start = (name: string, workflow: string) =>
    port.start({ ...run(at, name), workflow, version: '1', input: ONE, onConflict: 'fail' })
  for (const name of ['open', 'cancelled', 'terminated']) await start(name, 'waiting')
  for (const name of ['ended', 'deleted']) await start(name, 'quick')
  await start('failed', 'failing')
  await start('approved', 'approving')
  for (const name of ['ended', 'deleted', 'failed']) await port.outcome(run(at, name))
  const tasks = ['waiting', 'cancelled', 'ended', 'retried', 'deleted']
  await port.tasks.enqueue(tasks.map((name) => ({ ...enqueued, ...thing(at, name) })))
  for (const name of ['ended', 'retried', 'deleted']) await port.tasks.cancel(thing(at, name), 'for tests')
  for (const name of ['kept', 'resumed', 'deleted'])
    await port.schedules.create(
      thing(at, name),
      {
        times: { kind: 'interval', everyMs: 3_600_000, offsetMs: 0 },
        overlap: 'skip',
        catchUpMs: 0,
        jitterMs: 0,
        start: started,
      },
      { onConflict: 'fail', paused: 'for tests' },
    )
  let humanTask: string | undefined
  await until(async () => {
    const { tasks: found } = await port.people.inbox({ namespace, workflowId: `${of}-approved` })
    humanTask = found[0]?.id
    return humanTask !== undefined
  })
  return { ...at, humanTask: humanTask ?? '' }
}

class Socket implements Disposable {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (reply: EngineReply) => void>()
  readonly closed: Promise<number>
  #last = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => {
      for (const reply of engineRepliesOf(String(data)))
        if ('id' in reply) this.#waiting.get(reply.id)?.(reply)
    })
    this.closed = new Promise((resolve) => void socket.once('close', resolve))
  }

  static async open(roles: readonly string[]): Promise<Socket> {
    const made = await engine.access?.admin.createKey(RULES, { name: 'somebody', roles, user: USER })
    const socket = new WebSocket(url, [CLIENT_PROTOCOL], {
      headers: { authorization: `Bearer ${made?.key}` },
    })
    await once(socket, 'open')
    return new Socket(socket)
  }

  say(...messages: readonly object[]): void {
    this.#socket.send(JSON.stringify(messages))
  }

  /** What it was answered: `done`, or a code; and in which words. */
  async call(
    method: ClientMethod,
    args: readonly unknown[],
  ): Promise<{ readonly code: string; readonly words: string }> {
    const { reply } = this.begin(method, args)
    const answer = await reply
    if (!('failure' in answer)) return { code: 'done', words: '' }
    return { code: answer.failure.code ?? answer.failure.name, words: answer.failure.message }
  }

  begin(
    method: ClientMethod,
    args: readonly unknown[],
  ): { readonly id: number; readonly reply: Promise<EngineReply> } {
    this.#last += 1
    const id = this.#last
    const reply = new Promise<EngineReply>((resolve) => void this.#waiting.set(id, resolve))
    this.say({ id, method, args })
    return { id, reply }
  }

  [Symbol.dispose](): void {
    this.#socket.terminate()
  }
}

const METHODS = Object.keys(ARGUMENTS) as ClientMethod[]

test('every call of the protocol is here, and in the table of roles', () => {
  assert.deepEqual([...METHODS].sort(), Object.keys(CLIENT_METHODS).sort())
  assert.deepEqual([...METHODS].sort(), Object.keys(CALL_MATRIX).sort())
})

describe('calls', () => {
  for (const role of MATRIX_ROLES)
    test(role, async () => {
      using own = await Socket.open([`${role}@${OWN}`])
      using everywhere = await Socket.open([`${role}@*`])
      const mine = await thingsIn(OWN, role)
      const theirs = await thingsIn(FOREIGN, role)
      const nowhere = { ...theirs, namespace: MISSING }
      const before = await thingsSeen(theirs)
      for (const method of METHODS) {
        const row = CALL_MATRIX[method]
        assert.ok(row !== undefined)
        const of = ARGUMENTS[method]
        const isOfEngine = row.unseen === 'FORBIDDEN'
        const foreign = isOfEngine ? undefined : await own.call(method, of(theirs))
        const missing = isOfEngine ? undefined : await own.call(method, of(nowhere))
        assert.equal(foreign?.code, isOfEngine ? undefined : row.unseen, `${method} in another namespace`)
        assert.deepEqual(foreign?.words.replaceAll(FOREIGN, MISSING), missing?.words, method)
        const refused = row.blind?.includes(role) === true ? row.unseen : 'FORBIDDEN'
        const expected = row.roles.includes(role) ? (ALONE[method] ?? 'done') : refused
        const { code, words } = await (isOfEngine ? everywhere : own).call(method, of(mine))
        assert.equal(code, expected, `${method} in its own namespace: ${words}`)
        if (isOfEngine) assert.equal((await own.call(method, of(mine))).code, 'FORBIDDEN', method)
      }
      // Whatever it was asked for, what is there is as it was.
      assert.deepEqual(await thingsSeen(theirs), before)
    })

  test('no role, nothing', async () => {
    using none = await Socket.open([])
    const things = await thingsIn(OWN, 'unseen')
    const before = await thingsSeen(things)
    for (const method of METHODS)
      assert.equal(
        (await none.call(method, ARGUMENTS[method](things))).code,
        CALL_MATRIX[method]?.unseen,
        method,
      )
    assert.deepEqual(await thingsSeen(things), before)
  })
})

/** What a call might have changed. */
async function thingsSeen(at: Place): Promise<object> {
  const { executions } = await port.list({ namespace: at.namespace })
  const { tasks } = await port.tasks.list({ namespace: at.namespace, idPrefix: `${at.of}-` })
  const { schedules } = await port.schedules.list({ namespace: at.namespace })
  const { status, seats } = await port.people.describe({ namespace: at.namespace, id: at.humanTask })
  const ours = (id: string): boolean => id.startsWith(`${at.of}-`)
  return {
    executions: executions
      .filter(({ key }) => ours(key.workflowId))
      .map(({ key, status }) => `${key.workflowId.slice(at.of.length + 1)}: ${status}`)
      .sort(),
    tasks: tasks.map(({ id, status }) => `${id.slice(at.of.length + 1)}: ${status}`).sort(),
    schedules: schedules.filter(({ id }) => ours(id)).length,
    humanTask: `${status}, ${seats.filter(({ holder }) => holder !== undefined).length} taken`,
    queues: (await port.queues.list(at.namespace)).length,
  }
}

describe('the other message: that an answer is not waited for', () => {
  test('it ends a call of its own connection, and no other', async () => {
    const role: MatrixRole = 'viewer'
    using one = await Socket.open([`${role}@${OWN}`])
    using other = await Socket.open([`${role}@${OWN}`])
    await port.start({
      ...run({ namespace: OWN, of: 'left', humanTask: '' }, 'open'),
      workflow: 'waiting',
      version: '1',
      input: ONE,
      onConflict: 'fail',
    })
    const target = run({ namespace: OWN, of: 'left', humanTask: '' }, 'open')
    const waits = one.begin('outcome', [target])
    const theirs = other.begin('outcome', [target])
    assert.equal(waits.id, theirs.id)
    // Of nobody.
    one.say({ cancel: 999 })
    one.say({ cancel: waits.id })
    const reply = await waits.reply
    assert.ok('failure' in reply)
    assert.equal(reply.failure.code, 'CANCELLED')
    const answered = await Promise.race([theirs.reply, other.call('describe', [target])])
    assert.ok(!('id' in answered), 'the call of the other connection goes on')
  })
})
