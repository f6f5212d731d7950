/** Wrong arguments at every call of the API: each is refused with its code, and nothing of it is recorded. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  createEngine,
  type Engine,
  type ErrorCode,
  type Execution,
  PerdureError,
  query,
  signal,
  silentLogger,
  update,
  workflow,
} from '../../src/index.ts'
import { readStoreFile } from './file-reader.ts'

const go = signal<unknown>('go')
const ask = query<unknown, unknown>('ask')
const change = update<unknown, unknown>('change')

const waiting = workflow({
  name: 'waiting',
  run: async (ctx, input: unknown) => {
    ctx.onQuery(ask, (question) => question ?? 'nothing')
    ctx.onUpdate(change, (to) => to ?? 'nothing')
    await ctx.waitFor(go)
    return input
  },
})

/** As programs without types call: anything goes. */
type Untyped = (...args: unknown[]) => unknown
const untyped = (target: object, method: string): Untyped =>
  ((target as Record<string, Untyped>)[method] as Untyped).bind(target)

const cycle: { self?: unknown } = {}
cycle.self = cycle
const nested = Array.from({ length: 1000 }).reduce<unknown>((inner) => ({ inner }), null)
const unreadable = {
  get field(): never {
    throw new Error('no')
  },
}

const directory = mkdtempSync(join(tmpdir(), 'perdure-bad-input-'))
const file = join(directory, 'store.db')
let engine: Engine
let execution: Execution<typeof waiting>

before(async () => {
  engine = await createEngine({ store: `sqlite:${file}`, workflows: [waiting], logger: silentLogger })
  execution = await engine.start(waiting, 'whole', { id: 'open' })
})

after(async () => {
  await engine.close()
  rmSync(directory, { recursive: true })
})

/** Arguments of `start(waiting, …)`, of the methods of an engine, or of those of an execution. */
type Calls = readonly (readonly [code: ErrorCode, args: readonly unknown[]])[]

const id = (value: unknown): readonly unknown[] => [waiting, 1, { id: value }]
const input = (value: unknown): readonly unknown[] => [waiting, value]
const attributes = (value: unknown): readonly unknown[] => [waiting, 1, { attributes: value }]

const engineCalls: Readonly<Record<string, Calls>> = {
  start: [
    ['ARGUMENT_INVALID', []],
    ['ARGUMENT_INVALID', [null]],
    ['ARGUMENT_INVALID', ['waiting']],
    ['ARGUMENT_INVALID', [{}]],
    ['WORKFLOW_UNKNOWN', [workflow({ name: 'unknown', run: () => 1 })]],
    ['WORKFLOW_UNKNOWN', [workflow({ name: 'waiting', version: '2', run: () => 1 })]],
    ['ARGUMENT_INVALID', [waiting, 1, 5]],
    ['ARGUMENT_INVALID', [waiting, 1, null]],
    ['ARGUMENT_INVALID', [waiting, 1, 'id']],
    ['ARGUMENT_INVALID', [waiting, 1, { id: 'a', onConflict: 'nonsense' }]],
    ['DURATION_INVALID', [waiting, 1, { delay: 'soon' }]],
    ['DURATION_INVALID', [waiting, 1, { delay: {} }]],
    ['DURATION_INVALID', [waiting, 1, { executionTimeout: -5 }]],
    ['DURATION_INVALID', [waiting, 1, { executionTimeout: Number.NaN }]],
    ...[5, null, '', 'a\0b', 'a\ud800', '\udc00', 'x'.repeat(513), '€'.repeat(171), {}, ['a']].map(
      (each) => ['ID_INVALID', id(each)] as const,
    ),
    ...[() => 1, Symbol('x'), cycle, new Map([['self', cycle]]), Number.NaN, Promise.resolve(1)].map(
      (each) => ['PAYLOAD_UNSUPPORTED', input(each)] as const,
    ),
    ...[nested, unreadable, new Date(Number.NaN), /x/, new Error('x'), new WeakMap(), new Uint16Array(2)].map(
      (each) => ['PAYLOAD_UNSUPPORTED', input(each)] as const,
    ),
    ...[5, 'text', null, [], ['a'], { a: {} }, { a: Number.NaN }, { a: undefined }].map(
      (each) => ['ARGUMENT_INVALID', attributes(each)] as const,
    ),
    ['ID_INVALID', attributes({ 'a\0': 1 })],
    ['ID_INVALID', attributes({ a: 'a\0' })],
  ],
  signalWithStart: [
    ['ARGUMENT_INVALID', []],
    ['ARGUMENT_INVALID', [waiting, 1, go, 1]],
    ['ARGUMENT_INVALID', [waiting, 1, go, 1, {}]],
    ['ARGUMENT_INVALID', [waiting, 1, 'go', 1, { id: 'sws' }]],
    ['PAYLOAD_UNSUPPORTED', [waiting, 1, go, cycle, { id: 'sws' }]],
    ['ID_INVALID', [waiting, 1, go, 1, { id: 'sws', requestId: 5 }]],
  ],
  execution: [
    ['ID_INVALID', []],
    ['ID_INVALID', [waiting, 5]],
    ['ID_INVALID', [waiting, 'x'.repeat(513)]],
    ['ID_INVALID', [waiting, 'open', { runId: 'x' }]],
    ['ID_INVALID', [waiting, 'open', { runId: 5 }]],
    ['ARGUMENT_INVALID', [waiting, 'open', null]],
  ],
  list: [
    ['ARGUMENT_INVALID', [5]],
    ['ARGUMENT_INVALID', [null]],
    ['ARGUMENT_INVALID', [{ status: 'running' }]],
    ['ARGUMENT_INVALID', [{ status: ['nonsense'] }]],
    ['ARGUMENT_INVALID', [{ limit: 0 }]],
    ['ARGUMENT_INVALID', [{ limit: 1.5 }]],
    ['ARGUMENT_INVALID', [{ limit: 'x' }]],
    ['ARGUMENT_INVALID', [{ cursor: 'x' }]],
    ['ARGUMENT_INVALID', [{ attributes: 5 }]],
    ['ARGUMENT_INVALID', [{ attributes: { a: {} } }]],
    ['ARGUMENT_INVALID', [{ startedFrom: 'x' }]],
    ['ARGUMENT_INVALID', [{ startedTo: new Date(Number.NaN) }]],
  ],
}

const executionCalls: Readonly<Record<string, Calls>> = {
  signal: [
    ['ARGUMENT_INVALID', []],
    ['ARGUMENT_INVALID', [null]],
    ['ARGUMENT_INVALID', ['go']],
    ['ARGUMENT_INVALID', [ask]],
    ['ID_INVALID', [{ kind: 'signal', name: 5 }]],
    ['ID_INVALID', [{ kind: 'signal', name: 'a\0' }]],
    ['PAYLOAD_UNSUPPORTED', [go, cycle]],
    ['ARGUMENT_INVALID', [go, 1, 5]],
    ['ID_INVALID', [go, 1, { requestId: 5 }]],
    ['ID_INVALID', [go, 1, { requestId: '' }]],
    ['ID_INVALID', [go, 1, { requestId: 'a\0' }]],
    ['ID_INVALID', [go, 1, { requestId: 'x'.repeat(513) }]],
  ],
  query: [
    ['ARGUMENT_INVALID', []],
    ['ARGUMENT_INVALID', ['ask']],
    ['QUERY_UNKNOWN', [query('other')]],
    ['PAYLOAD_UNSUPPORTED', [ask, cycle]],
  ],
  update: [
    ['ARGUMENT_INVALID', []],
    ['ARGUMENT_INVALID', ['change']],
    ['PAYLOAD_UNSUPPORTED', [change, cycle]],
    ['ID_INVALID', [change, 1, { updateId: 5 }]],
    ['ID_INVALID', [change, 1, { updateId: '' }]],
    ['ARGUMENT_INVALID', [change, 1, null]],
  ],
  cancel: [
    ['ARGUMENT_INVALID', [5]],
    ['ARGUMENT_INVALID', [1n]],
    ['ARGUMENT_INVALID', [cycle]],
    ['ID_INVALID', ['a\0b']],
    ['ID_INVALID', ['x'.repeat(5000)]],
  ],
  terminate: [
    ['ARGUMENT_INVALID', [null]],
    ['ARGUMENT_INVALID', [1n]],
    ['ARGUMENT_INVALID', [cycle]],
    ['ID_INVALID', ['x'.repeat(5000)]],
  ],
  retry: [['RETRY_IMPOSSIBLE', []]],
  delete: [['EXECUTION_OPEN', []]],
}

const shown = (args: readonly unknown[]): string =>
  args
    .map((arg) =>
      typeof arg === 'object' && arg !== null ? Object.keys(arg).join('+') || '{}' : String(arg),
    )
    .join(', ')
    .slice(0, 60)

describe('wrong arguments', () => {
  for (const [name, calls] of Object.entries(engineCalls)) {
    test(`engine.${name}`, async () => {
      for (const [code, args] of calls) {
        const call = async (): Promise<unknown> => untyped(engine, name)(...args)
        await assert.rejects(call(), hasCode(code), `${name}(${shown(args)})`)
      }
    })
  }

  for (const [name, calls] of Object.entries(executionCalls)) {
    test(`execution.${name}`, async () => {
      for (const [code, args] of calls) {
        const call = async (): Promise<unknown> => untyped(execution, name)(...args)
        await assert.rejects(call(), hasCode(code), `${name}(${shown(args)})`)
      }
    })
  }

  test('workflow, signal, query, update', () => {
    for (const options of [undefined, {}, { name: 'x' }, { name: 'x', run: 5 }])
      assert.throws(() => (workflow as unknown as Untyped)(options), hasCode('ARGUMENT_INVALID'))
    const named = (name: string): unknown => workflow({ name, run: () => 1 })
    const makers: readonly ((name: string) => unknown)[] = [signal, query, update, named]
    for (const name of [undefined, null, 5, '', 'a\0', '\ud800', 'x'.repeat(513)])
      for (const make of makers) assert.throws(() => make(name as never), hasCode('ID_INVALID'))
  })

  test('execution.watch', async () => {
    for (const options of [{ afterSeq: 'x' }, { afterSeq: -1 }, { signal: 5 }, null, 5]) {
      const events = untyped(execution, 'watch')(options) as AsyncGenerator
      await assert.rejects(events.next(), hasCode('ARGUMENT_INVALID'), JSON.stringify(options))
    }
  })

  test('an execution that is not there', async () => {
    const missing = engine.execution(waiting, 'missing')
    for (const call of ['result', 'describe', 'history', 'cancel', 'terminate', 'retry', 'delete'])
      await assert.rejects(async () => untyped(missing, call)(), hasCode('EXECUTION_NOT_FOUND'), call)
    await assert.rejects(missing.signal(go, 1), hasCode('EXECUTION_NOT_FOUND'))
  })

  test('leave nothing behind: the execution goes on, and the file holds only what was accepted', async () => {
    await execution.signal(go, 1)
    assert.equal(await execution.result(), 'whole')
    const { runs, damage } = readStoreFile(file)
    assert.deepEqual(damage, [])
    assert.deepEqual(
      [...runs.values()].map((run) => run.events.map((event) => event.type)),
      [['execution-started', 'signal-received', 'execution-completed']],
    )
  })
})

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PerdureError, `${error}`)
    assert.equal(error.code, code, error.message)
    assert.ok(error.message.includes(error.hint), 'it says what to do')
    return true
  }
}
