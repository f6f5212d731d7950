// Calls that meet: repeated updates, a start that is refused, an engine that closes while an execution is read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, type PerdureError, query, silentLogger, update, workflow } from '../../src/index.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { temporaryFile } from './temporary-file.ts'

const bump = update<number>('bump')

const codeOf = (error: PerdureError): string => error.code

test('two updates with one id, both before there is a handler: it runs once, both are answered', async () => {
  const counter = workflow({
    name: 'counter',
    run: async (ctx) => {
      await ctx.sleep(50)
      let n = 0
      ctx.onUpdate(bump, () => ++n)
      await ctx.sleep('1h')
    },
  })
  await using engine = await createEngine({ store: 'memory', workflows: [counter] })
  const execution = await engine.start(counter)
  const updates = [1, 2, 3].map(() => execution.update(bump, undefined, { updateId: 'same' }))
  assert.deepEqual(await Promise.all(updates), [1, 1, 1])
  assert.equal(await execution.update(bump), 2)
})

test('terminate-existing that is refused as too much leaves the old run as it is', async () => {
  const sleeper = workflow({ name: 'sleeper', run: (ctx) => ctx.sleep('1h') })
  await using engine = await createEngine({ store: 'memory', workflows: [sleeper], logger: silentLogger })
  const old = await engine.start(sleeper, undefined, { id: 'a' })
  const again = engine
    .start(sleeper, undefined, { id: 'a', onConflict: 'terminate-existing' })
    .then(() => 'started', codeOf)
  const many = Array.from({ length: 40_000 }, (_, i) =>
    engine.start(sleeper, undefined, { id: `n${i}` }).then(() => 'started', codeOf),
  )
  assert.equal(await again, 'OVERLOADED')
  assert.ok((await Promise.all(many)).includes('OVERLOADED'))
  const { runId } = old
  assert.equal(
    (await engine.execution(sleeper, 'a', runId === undefined ? {} : { runId }).describe()).status,
    'running',
  )
})

test('an update is answered when the engine closes while its execution is being read', async () => {
  const store = createMemoryStore(new MemoryState())
  const journal = store.journal.bind(store)
  store.journal = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    return journal(...args)
  }
  const late = workflow({
    name: 'late',
    run: async (ctx) => {
      ctx.onUpdate(bump, () => 1)
      await ctx.sleep('1h')
    },
  })
  const engine = await createEngine({ store, workflows: [late] })
  const execution = await engine.start(late, undefined, { delay: 50 })
  const answer = execution.update(bump).then(String, codeOf)
  await new Promise((resolve) => setTimeout(resolve, 120))
  await engine.close()
  assert.equal(await answer, 'ENGINE_CLOSED')
})

test('a query that meets code which does not fit the history says so at once', async () => {
  using file = temporaryFile('query.db')
  const store = `sqlite:${file.path}`
  const ask = query<number>('ask')
  const of = (step: string) =>
    workflow({
      name: 'asked',
      run: async (ctx) => {
        ctx.onQuery(ask, () => 1)
        await ctx.step(step, () => 1)
        await ctx.sleep('1h')
      },
    })
  const before = of('pack')
  const first = await createEngine({ store, workflows: [before] })
  const started = await first.start(before, undefined, { id: 'a' })
  while ((await started.describe()).events < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  await first.close()
  const changed = of('wrap')
  await using second = await createEngine({ store, workflows: [changed], logger: silentLogger })
  await assert.rejects(second.execution(changed, 'a').query(ask), (error: PerdureError) => {
    assert.equal(error.code, 'EXECUTION_PARKED')
    assert.match(error.message, /the code made step 'wrap'/)
    return true
  })
})

test('a logger that throws stops nothing', async () => {
  const fail = (): never => {
    throw new Error('no log today')
  }
  const talker = workflow({
    name: 'talker',
    run: async (ctx) => {
      ctx.log.error('hello')
      return ctx.step('s', () => 'done')
    },
  })
  const lines: unknown[] = []
  const { write } = process.stderr
  process.stderr.write = (line: unknown) => lines.push(line) > 0
  try {
    const logger = { debug: fail, info: fail, warn: fail, error: fail }
    await using engine = await createEngine({ store: 'memory', workflows: [talker], logger })
    assert.equal(await (await engine.start(talker)).result(), 'done')
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  } finally {
    process.stderr.write = write
  }
  assert.match(String(lines[0]), /the logger threw.*hello/)
})
