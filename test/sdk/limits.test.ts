// Every limit: its named error, nothing lost, and the warning before it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ExecutionFailedError,
  type Limits,
  type PerdureError,
  query,
  signal,
  update,
  type Workflow,
  workflow,
} from '../../src/index.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import { createTestEngine } from '../../src/testing.ts'
import { type LogEntry, recordedLog } from './recorded-log.ts'

const note = signal<unknown>('note')
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
const warnings = (entries: readonly LogEntry[], pattern: RegExp) =>
  entries.filter(({ level, message }) => level === 'warn' && pattern.test(message))

test('the defaults are those of the documentation', () => {
  assert.deepEqual(DEFAULT_LIMITS, {
    payloadBytes: 4 * 1024 * 1024,
    historyEvents: 100_000,
    pendingOperations: 10_000,
    queuedSignals: 10_000,
    humanTaskChanges: 1000,
    childDepth: 50,
    idBytes: 512,
  })
})

test('a limit that is no whole number of 1 or more is refused', async () => {
  for (const limits of [{ payloadBytes: 0 }, { historyEvents: -5 }, { childDepth: 1.5 }, { idBytes: '5' }])
    await assert.rejects(createTestEngine({ workflows: [], limits: limits as Partial<Limits> }), {
      code: 'ARGUMENT_INVALID',
    })
})

describe('payloadBytes', () => {
  const limits = { payloadBytes: 1000 }
  const big = 'x'.repeat(1001)
  const large: Workflow<string, unknown> = workflow({
    name: 'large',
    run: async (ctx, where: string) => {
      ctx.onQuery(query('big'), () => big)
      ctx.onUpdate(update('big'), () => big)
      if (where === 'step') return (await ctx.step('big', () => big)).length
      if (where === 'result') return big
      if (where === 'child') return ctx.child(large, big)
      if (where === 'continue') return ctx.continueAsNew(big)
      await ctx.waitFor(note)
      return 'fine'
    },
  })

  test('PAYLOAD_TOO_LARGE wherever one arises; the engine goes on', async () => {
    await using engine = await createTestEngine({ workflows: [large], limits })
    for (const where of ['step', 'result', 'child', 'continue'])
      await assert.rejects(
        (await engine.start(large, where)).result(),
        (error: ExecutionFailedError) => codeOf(error.cause) === 'PAYLOAD_TOO_LARGE',
        where,
      )
    await assert.rejects(engine.start(large, big), { code: 'PAYLOAD_TOO_LARGE' })
    const execution = await engine.start(large, 'wait')
    await assert.rejects(execution.signal(note, big), { code: 'PAYLOAD_TOO_LARGE' })
    await assert.rejects(execution.query(query<string, string>('big'), big), { code: 'PAYLOAD_TOO_LARGE' })
    await assert.rejects(execution.update(update<string, string>('big'), big), { code: 'PAYLOAD_TOO_LARGE' })
    await assert.rejects(
      execution.query(query('big')),
      (error: PerdureError) => codeOf(error.cause) === 'PAYLOAD_TOO_LARGE',
    )
    await assert.rejects(
      execution.update(update('big')),
      (error: PerdureError) => codeOf(error.cause) === 'PAYLOAD_TOO_LARGE',
    )
    await execution.signal(note, 'small')
    assert.equal(await execution.result(), 'fine')
  })

  test('a payload of 100 MiB is refused without being written', async () => {
    await using engine = await createTestEngine({ workflows: [large] })
    await assert.rejects(engine.start(large, 'x'.repeat(100 * 1024 * 1024)), { code: 'PAYLOAD_TOO_LARGE' })
    assert.equal(engine.commits, 0)
  })

  test('is warned of', async () => {
    const logger = recordedLog()
    const nearly = workflow({
      name: 'nearly',
      run: async (ctx, _input: string) => (await ctx.step('x', () => 'x'.repeat(850))).length,
    })
    await using engine = await createTestEngine({ workflows: [nearly], limits, logger })
    await (await engine.start(nearly, 'small')).result()
    assert.equal(warnings(logger.entries, /payload is near its limit/).length, 1)
    await (await engine.start(nearly, 'x'.repeat(850))).result()
    assert.equal(warnings(logger.entries, /payload is near its limit/).length, 3)
  })
})

test('historyEvents: HISTORY_TOO_LONG ends the execution, after a warning', async () => {
  const logger = recordedLog()
  const endless = workflow({
    name: 'endless',
    run: async (ctx) => {
      for (;;) await ctx.step('again', () => {})
    },
  })
  await using engine = await createTestEngine({ workflows: [endless], limits: { historyEvents: 50 }, logger })
  const execution = await engine.start(endless)
  await assert.rejects(
    execution.result(),
    (error: ExecutionFailedError) => codeOf(error.cause) === 'HISTORY_TOO_LONG',
  )
  assert.equal((await execution.history()).length, 51)
  const [warning] = warnings(logger.entries, /history is getting long/)
  assert.equal(warning?.fields.historyEvents, 40)
  assert.equal(warning?.fields.limit, 50)
  assert.equal(warnings(logger.entries, /history/).length, 1)
})

test('pendingOperations: TOO_MANY_OPERATIONS at the call, after a warning', async () => {
  const logger = recordedLog()
  const wide = workflow({
    name: 'wide',
    run: async (ctx, count: number) => {
      try {
        return (await Promise.all(Array.from({ length: count }, (_, i) => ctx.sleep(i)))).length
      } catch (error) {
        return codeOf(error)
      }
    },
  })
  await using engine = await createTestEngine({
    workflows: [wide],
    limits: { pendingOperations: 20 },
    logger,
  })
  assert.equal(await (await engine.start(wide, 15)).result(), 15)
  assert.equal(warnings(logger.entries, /operations are pending/).length, 0)
  assert.equal(await (await engine.start(wide, 20)).result(), 20)
  assert.equal(warnings(logger.entries, /operations are pending/).length, 1)
  assert.equal(await (await engine.start(wide, 21)).result(), 'TOO_MANY_OPERATIONS')
})

test('queuedSignals: TOO_MANY_SIGNALS to the sender, after a warning; those accepted are all there', async () => {
  const logger = recordedLog()
  const late = workflow({
    name: 'late',
    run: async (ctx) => {
      await ctx.sleep('1h')
      const got: unknown[] = []
      for (;;) {
        const next = await ctx.waitFor(note, { timeout: '1m' })
        if (next === undefined) return got
        got.push(next)
      }
    },
  })
  await using engine = await createTestEngine({ workflows: [late], limits: { queuedSignals: 10 }, logger })
  const execution = await engine.start(late)
  for (let n = 1; n <= 10; n++) await execution.signal(note, n)
  assert.equal(warnings(logger.entries, /signals are not consumed/).length, 1)
  await assert.rejects(execution.signal(note, 11), { code: 'TOO_MANY_SIGNALS', retryable: true })
  await engine.restart()
  // What waits is known again when the code has been replayed.
  await execution.describe()
  await assert.rejects(execution.signal(note, 11), { code: 'TOO_MANY_SIGNALS' })
  await engine.advance('3630s')
  await execution.signal(note, 12)
  assert.deepEqual(await execution.result(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12])
})

test('queuedSignals counts what waits, not what was consumed, also after a restart', async () => {
  const consuming = workflow({
    name: 'consuming',
    run: async (ctx) => {
      let sum = 0
      for (let i = 0; i < 50; i++) sum += (await ctx.waitFor(note)) as number
      return sum
    },
  })
  await using engine = await createTestEngine({ workflows: [consuming], limits: { queuedSignals: 5 } })
  const execution = await engine.start(consuming)
  for (let i = 0; i < 50; i++) {
    await execution.signal(note, 1)
    if (i % 10 !== 5) continue
    await engine.restart()
    await execution.describe()
  }
  assert.equal(await execution.result(), 50)
})

test('childDepth: CHILDREN_TOO_DEEP to the parent, after a warning', async () => {
  const logger = recordedLog()
  const nested: Workflow<number, unknown> = workflow({
    name: 'nested',
    run: async (ctx, depth: number) => {
      try {
        return await ctx.child(nested, depth + 1)
      } catch (error) {
        return [depth, codeOf(error)]
      }
    },
  })
  await using engine = await createTestEngine({ workflows: [nested], limits: { childDepth: 5 }, logger })
  assert.deepEqual(await (await engine.start(nested, 0)).result(), [5, 'CHILDREN_TOO_DEEP'])
  assert.deepEqual(
    warnings(logger.entries, /nested deep/).map(({ fields }) => fields.childDepth),
    [4, 5],
  )
})

describe('idBytes', () => {
  const named: Workflow<string | undefined, unknown> = workflow({
    name: 'named',
    run: async (ctx, child: string | undefined) => {
      if (child === undefined) return 'leaf'
      try {
        return await ctx.child(named, undefined, child === '' ? {} : { id: child })
      } catch (error) {
        return codeOf(error)
      }
    },
  })

  test('ID_INVALID for ids of executions and children, given or made; a warning before', async () => {
    const logger = recordedLog()
    await using engine = await createTestEngine({ workflows: [named], limits: { idBytes: 40 }, logger })
    await assert.rejects(engine.start(named, undefined, { id: 'x'.repeat(41) }), { code: 'ID_INVALID' })
    await assert.rejects(engine.start(named, undefined, { id: 'ä'.repeat(21) }), { code: 'ID_INVALID' })
    assert.throws(() => engine.execution(named, 'x'.repeat(41)), { code: 'ID_INVALID' })
    assert.equal(await (await engine.start(named, 'y'.repeat(41))).result(), 'ID_INVALID')
    assert.equal(warnings(logger.entries, /id of an execution is near/).length, 0)
    assert.equal(await (await engine.start(named, '', { id: 'x'.repeat(39) })).result(), 'ID_INVALID')
    assert.equal(await (await engine.start(named, '', { id: 'x'.repeat(38) })).result(), 'leaf')
    assert.equal(warnings(logger.entries, /id of an execution is near/).length, 2)
  })
})
