// createEngine in real time, mostly on SQLite: restarts, orderly shutdown, bad arguments.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  createEngine,
  type EngineSettings,
  PerdureError,
  query,
  signal,
  silentLogger,
  update,
  type Workflow,
  workflow,
} from '../../src/index.ts'
import { recordedLog } from './recorded-log.ts'
import { temporaryFile } from './temporary-file.ts'

const note = signal<number>('note')
const state = query<string>('state')
const soon = (ms = 5) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await soon(1)
}

const open = (path: string, workflows: readonly Workflow[], settings: Partial<EngineSettings> = {}) =>
  createEngine({ store: `sqlite:${path}`, workflows, logger: silentLogger, ...settings })

describe('on SQLite, over restarts', () => {
  test('everything an execution has waited for is still there', async () => {
    using file = temporaryFile('data.db')
    let steps = 0
    const child = workflow({
      name: 'child',
      run: async (ctx) => {
        await ctx.sleep(30)
        return 'child'
      },
    })
    const long = workflow({
      name: 'long',
      run: async (ctx, from: { readonly when: Date; readonly big: bigint }) => {
        ctx.onQuery(state, () => 'waiting')
        const first = await ctx.step('first', () => ({
          n: ++steps,
          bytes: new Uint8Array([1, 2]),
          map: new Map([[1, from.when]]),
        }))
        const kept = ctx.child(child)
        const signalled = await ctx.waitFor(note)
        const timed = await ctx.waitFor(signal<number>('never'), { timeout: 20 })
        await ctx.step(
          'flaky',
          ({ attempt }) => {
            if (attempt < 3) throw new Error('again')
          },
          { retry: { initialInterval: 5 } },
        )
        return { first, signalled, timed, child: await kept, big: from.big }
      },
    })
    const workflows = [long, child]
    const when = new Date(0)
    let engine = await open(file.path, workflows)
    const started = await engine.start(long, { when, big: 2n ** 70n }, { id: 'a', attributes: { x: 1 } })
    await until(async () => (await started.history()).some(({ event }) => event.type === 'child-started'))
    await engine.close()
    engine = await open(file.path, workflows)
    assert.equal(await engine.execution(long, 'a').query(state), 'waiting')
    await engine.execution(long, 'a').signal(note, 7)
    await engine.close()
    engine = await open(file.path, workflows)
    const again = await engine.start(long, { when, big: 0n }, { id: 'a' })
    assert.equal(again.runId, started.runId)
    assert.deepEqual(await again.result(), {
      first: { n: 1, bytes: new Uint8Array([1, 2]), map: new Map([[1, when]]) },
      signalled: 7,
      timed: undefined,
      child: 'child',
      big: 2n ** 70n,
    })
    assert.equal(steps, 1)
    await engine.close()
    engine = await open(file.path, workflows)
    assert.equal((await engine.execution(long, 'a').result()).signalled, 7)
    assert.deepEqual(
      (await engine.list({ attributes: { x: 1 } })).executions.map(({ id, status }) => [id, status]),
      [['a', 'completed']],
    )
    await engine.close()
  })

  test('an execution without its code parks, is listed as parked, and goes on when the code is back', async () => {
    using file = temporaryFile('data.db')
    const waiter = workflow({ name: 'waiter', run: async (ctx) => ctx.waitFor(note) })
    const first = await open(file.path, [waiter])
    await first.start(waiter, undefined, { id: 'a' })
    await first.close()
    const logger = recordedLog()
    const without = await open(file.path, [], { logger })
    await without.execution(waiter, 'a').signal(note, 5)
    await until(async () => (await without.execution(waiter, 'a').describe()).status === 'parked')
    assert.ok(
      logger.entries.some(
        ({ level, message }) => level === 'warn' && /parked: its code is missing/.test(message),
      ),
    )
    await assert.rejects(without.start(waiter), { code: 'WORKFLOW_UNKNOWN' })
    await assert.rejects(without.execution(waiter, 'a').query(state), { code: 'EXECUTION_PARKED' })
    await without.close()
    await using back = await open(file.path, [waiter])
    assert.equal(await back.execution(waiter, 'a').result(), 5)
  })
})

describe('close', () => {
  test('lets running steps finish; their results are recorded, no further step begins', async () => {
    using file = temporaryFile('data.db')
    const log: string[] = []
    const two = workflow({
      name: 'two',
      run: async (ctx) => {
        await ctx.step('one', async () => {
          log.push('one begins')
          await soon(30)
          log.push('one ends')
        })
        await ctx.step('two', () => log.push('two'))
        return 'done'
      },
    })
    const engine = await open(file.path, [two])
    await engine.start(two, undefined, { id: 'a' })
    await until(() => log.length === 1)
    await engine.close()
    assert.deepEqual(log, ['one begins', 'one ends'])
    await using again = await open(file.path, [two])
    assert.equal(await again.execution(two, 'a').result(), 'done')
    assert.deepEqual(log, ['one begins', 'one ends', 'two'])
  })

  test('hands back a step that takes longer than the grace: its signal aborts, it runs again later', async () => {
    using file = temporaryFile('data.db')
    let aborted = 0
    let quick = false
    const slow = workflow({
      name: 'slow',
      run: async (ctx) =>
        ctx.step('slow', ({ abortSignal, attempt }) => {
          if (quick) return `attempt ${attempt}`
          return new Promise<string>((_, reject) =>
            abortSignal.addEventListener('abort', () => {
              aborted += 1
              reject(new Error('handed back'))
            }),
          )
        }),
    })
    const engine = await open(file.path, [slow], { shutdownGrace: 20 })
    await engine.start(slow, undefined, { id: 'a' })
    await until(() => engine.counters.stepsStarted === 1 || !engine.isQuiet)
    await soon(10)
    await engine.close()
    assert.equal(aborted, 1)
    quick = true
    await using again = await open(file.path, [slow])
    assert.equal(
      await again.execution(slow, 'a').result(),
      'attempt 1',
      'the attempt that was handed back does not count',
    )
  })

  test('answers everybody: who waits is told ENGINE_CLOSED, who comes later too', async () => {
    const waiter = workflow({
      name: 'waiter',
      run: async (ctx) => {
        ctx.onQuery(state, () => 'here')
        return ctx.waitFor(note)
      },
    })
    for (const store of ['memory', 'sqlite'] as const) {
      using file = temporaryFile('data.db')
      const engine = await createEngine({
        store: store === 'memory' ? 'memory' : `sqlite:${file.path}`,
        workflows: [waiter],
        logger: silentLogger,
      })
      const execution = await engine.start(waiter)
      const waiting = [
        execution.result(),
        execution.update(update('nobody handles it')),
        (async () => {
          for await (const _ of execution.watch({ afterSeq: 1 })) assert.fail('nothing happens')
        })(),
      ]
      const settled = Promise.allSettled(waiting)
      await soon()
      await Promise.all([engine.close(), engine.close()])
      const codes = (await settled).map(
        (each) => each.status === 'rejected' && (each.reason as PerdureError).code,
      )
      assert.deepEqual(codes, ['ENGINE_CLOSED', 'ENGINE_CLOSED', 'ENGINE_CLOSED'])
      for (const call of [
        () => engine.start(waiter),
        () => engine.list(),
        () => engine.signalWithStart(waiter, undefined, note, 1, { id: 'x' }),
        () => execution.signal(note, 1),
        () => execution.result(),
        () => execution.query(state),
        () => execution.update(update('u')),
        () => execution.describe(),
        () => execution.history(),
        () => execution.cancel(),
        () => execution.terminate(),
        () => execution.retry(),
        () => execution.delete(),
      ])
        await assert.rejects(call, { code: 'ENGINE_CLOSED' }, `${store} ${call}`)
      await engine.close()
    }
  })

  test('a start that was acknowledged right before close is there afterwards', async () => {
    using file = temporaryFile('data.db')
    const quick = workflow({ name: 'quick', run: async (_ctx, n: number) => n })
    const engine = await open(file.path, [quick])
    const ids = (
      await Promise.all(Array.from({ length: 50 }, (_, n) => engine.start(quick, n, { id: `e${n}` })))
    ).map(({ id }) => id)
    await engine.close()
    await using again = await open(file.path, [quick])
    assert.deepEqual(
      await Promise.all(ids.map((id) => again.execution(quick, id).result())),
      ids.map((_, n) => n),
    )
  })
})

describe('createEngine refuses', () => {
  const fine = workflow({ name: 'fine', run: async () => 1 })
  const cases: readonly (readonly [what: string, settings: unknown, code: string])[] = [
    ['no settings', undefined, 'ARGUMENT_INVALID'],
    ['null as settings', null, 'ARGUMENT_INVALID'],
    ['null as store', { store: null, workflows: [fine] }, 'STORE_INVALID'],
    ['an object that is no store', { store: {}, workflows: [fine] }, 'STORE_INVALID'],
    [
      'a setting that does not exist',
      { store: 'memory', workflows: [], retentoin: '1d' },
      'ARGUMENT_INVALID',
    ],
    ['null as limits', { store: 'memory', workflows: [], limits: null }, 'ARGUMENT_INVALID'],
    ['a number as limits', { store: 'memory', workflows: [], limits: 5 }, 'ARGUMENT_INVALID'],
    ['a list as limits', { store: 'memory', workflows: [], limits: [] }, 'ARGUMENT_INVALID'],
    ['idleExecutions below 0', { store: 'memory', workflows: [], idleExecutions: -1 }, 'ARGUMENT_INVALID'],
    ['a text as logger', { store: 'memory', workflows: [], logger: 'pino' }, 'ARGUMENT_INVALID'],
    ['null as logger', { store: 'memory', workflows: [], logger: null }, 'ARGUMENT_INVALID'],
    ['a logger without methods', { store: 'memory', workflows: [], logger: {} }, 'ARGUMENT_INVALID'],
    ['onFailed that is no function', { store: 'memory', workflows: [], onFailed: 'log' }, 'ARGUMENT_INVALID'],
    ['no store', { workflows: [fine] }, 'STORE_INVALID'],
    ['an unknown store', { store: 'redis:x', workflows: [fine] }, 'STORE_INVALID'],
    ['a store without a path', { store: 'sqlite:', workflows: [fine] }, 'STORE_INVALID'],
    ['a number as store', { store: 5, workflows: [fine] }, 'STORE_INVALID'],
    ['a text as workflows', { store: 'memory', workflows: 'all' }, 'ARGUMENT_INVALID'],
    ['something else as a workflow', { store: 'memory', workflows: [{ name: 'x' }] }, 'ARGUMENT_INVALID'],
    ['nothing as a workflow', { store: 'memory', workflows: [undefined] }, 'ARGUMENT_INVALID'],
    ['an empty namespace', { store: 'memory', workflows: [], namespace: '' }, 'ID_INVALID'],
    [
      'a retention that is no duration',
      { store: 'memory', workflows: [], retention: 'soon' },
      'DURATION_INVALID',
    ],
    [
      'a grace that is no duration',
      { store: 'memory', workflows: [], shutdownGrace: -1 },
      'DURATION_INVALID',
    ],
    ['a limit of 0', { store: 'memory', workflows: [], limits: { historyEvents: 0 } }, 'ARGUMENT_INVALID'],
    ['an unknown limit', { store: 'memory', workflows: [], limits: { payloads: 5 } }, 'ARGUMENT_INVALID'],
    [
      'idleExecutions that are no number',
      { store: 'memory', workflows: [], idleExecutions: 'many' },
      'ARGUMENT_INVALID',
    ],
  ]
  for (const [what, settings, code] of cases) {
    test(what, async () => {
      await assert.rejects(
        async () => createEngine(settings as EngineSettings),
        (error: PerdureError) => {
          assert.equal(error.code, code, String(error))
          return true
        },
      )
    })
  }

  test('a file that is no database, and leaves it as it was', async () => {
    using file = temporaryFile('letter.txt')
    writeFileSync(file.path, 'Dear engine, I am a letter and no database. '.repeat(100))
    await assert.rejects(open(file.path, [fine]), PerdureError)
  })

  test('a second engine on the same file, and names the first', async () => {
    using file = temporaryFile('data.db')
    await using first = await open(file.path, [fine])
    await assert.rejects(open(file.path, [fine]), (error: PerdureError) => {
      return error.code === 'STORE_LOCKED' && error.message.includes(String(process.pid))
    })
    assert.equal(await (await first.start(fine)).result(), 1)
  })
})

describe('definitions refuse', () => {
  test('names that no store can hold, and what is no function', () => {
    const define = workflow as (options: unknown) => unknown
    for (const [options, code] of [
      [{ name: '', run: () => 1 }, 'ID_INVALID'],
      [{ name: 5, run: () => 1 }, 'ID_INVALID'],
      [{ name: 'a\0b', run: () => 1 }, 'ID_INVALID'],
      [{ name: 'x', version: '', run: () => 1 }, 'ID_INVALID'],
      [{ name: 'x', version: 1, run: () => 1 }, 'ID_INVALID'],
      [{ name: 'x' }, 'ARGUMENT_INVALID'],
      [{ name: 'x', input: {}, run: () => 1 }, 'ARGUMENT_INVALID'],
      [{ name: 'x', input: 5, run: () => 1 }, 'ARGUMENT_INVALID'],
      [{ name: 'x', input: null, run: () => 1 }, 'ARGUMENT_INVALID'],
      [{ name: 'x', output: 5, run: () => 1 }, 'ARGUMENT_INVALID'],
      [undefined, 'ARGUMENT_INVALID'],
    ] as const)
      assert.throws(() => define(options), { code }, JSON.stringify(options))
    for (const make of [() => signal(''), () => query(''), () => update('')])
      assert.throws(make, { code: 'ID_INVALID' })
  })
})

describe('schemas', () => {
  const isText = (transform: (text: string) => unknown) => ({
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'string'
          ? { value: transform(value) }
          : { issues: [{ message: 'not a text', path: ['a', { key: 'b' }] }] },
    },
  })
  const later = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: async (value: unknown) => ({ value: `late ${String(value)}` }),
    },
  }

  test('validate the input at the call and the result at the end; their output is what counts', async () => {
    const checked = workflow({
      name: 'checked',
      input: isText((text) => text.toUpperCase()),
      output: isText((text) => `${text}!`),
      run: async (_ctx, input: unknown) => (input === 'BAD' ? 5 : input),
    })
    await using engine = await createEngine({ store: 'memory', workflows: [checked], logger: silentLogger })
    assert.equal(await (await engine.start(checked, 'hello')).result(), 'HELLO!')
    await assert.rejects(engine.start(checked, 5), { code: 'INPUT_INVALID', message: /a\.b: not a text/ })
    await assert.rejects((await engine.start(checked, 'bad')).result(), (error: PerdureError) => {
      return (error.cause as PerdureError).code === 'OUTPUT_INVALID'
    })
  })

  test('may be asynchronous for callers, never inside workflow code', async () => {
    const lateInput = workflow({
      name: 'late-input',
      input: later,
      run: async (_ctx, input: unknown) => input,
    })
    const lateOutput = workflow({ name: 'late-output', output: later, run: async () => 'x' })
    const parent = workflow({ name: 'parent', run: async (ctx) => ctx.child(lateInput, 'x') })
    await using engine = await createEngine({
      store: 'memory',
      workflows: [lateInput, lateOutput, parent],
      logger: silentLogger,
    })
    assert.equal(await (await engine.start(lateInput, 'x')).result(), 'late x')
    for (const execution of [await engine.start(lateOutput), await engine.start(parent)])
      await assert.rejects(execution.result(), /validates asynchronously/)
  })
})
