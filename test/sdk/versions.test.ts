// Changes of code: versions side by side, parking, nondeterminism, ctx.patched, ctx.continueAsNew.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Event, type PerdureError, signal, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const note = signal<number>('note')

const typesOf = (history: readonly { readonly event: Event }[]): string[] =>
  history.map(({ event }) => event.type)

describe('versions of a workflow', () => {
  const v1 = workflow({ name: 'w', version: '1', run: async (ctx) => `one ${await ctx.waitFor(note)}` })
  const v2 = workflow({ name: 'w', version: '2', run: async (ctx) => `two ${await ctx.waitFor(note)}` })

  test('stand side by side; an open execution keeps its own', async () => {
    await using engine = await createTestEngine({ workflows: [v1] })
    const old = await engine.start(v1, undefined, { id: 'old' })
    await engine.restart({ workflows: [v1, v2] })
    const young = await engine.start(v2, undefined, { id: 'young' })
    await Promise.all([old.signal(note, 1), young.signal(note, 2)])
    assert.equal(await old.result(), 'one 1')
    assert.equal(await young.result(), 'two 2')
    assert.deepEqual([(await old.describe()).version, (await young.describe()).version], ['1', '2'])
  })

  test('an execution whose version is missing parks, keeps what it is sent, and goes on when the version is back', async () => {
    await using engine = await createTestEngine({ workflows: [v1] })
    const execution = await engine.start(v1, undefined, { id: 'a' })
    await engine.restart({ workflows: [v2] })
    await engine.advance(0)
    const parked = await execution.describe()
    assert.equal(parked.status, 'parked')
    assert.match(parked.error?.message ?? '', /no code is registered for workflow w version 1/)
    assert.equal((await engine.list({ status: ['parked'] })).executions.length, 1)
    await execution.signal(note, 5)
    await engine.restart({ workflows: [v1, v2] })
    assert.equal(await execution.result(), 'one 5')
    const types = typesOf(await execution.history())
    assert.deepEqual(
      types.filter((type) => type.startsWith('execution-')),
      ['execution-started', 'execution-parked', 'execution-resumed', 'execution-completed'],
    )
  })

  test('parked again for another reason: the newest reason is told', async () => {
    await using engine = await createTestEngine({ workflows: [v1] })
    const stepped = workflow({
      name: 's',
      run: async (ctx) => [await ctx.step('pack', () => 1), await ctx.waitFor(note)],
    })
    const changed = workflow({ name: 's', run: async (ctx) => ctx.step('wrap', () => 1) })
    await engine.restart({ workflows: [stepped] })
    const execution = await engine.start(stepped)
    await engine.advance(0)
    for (let n = 0; n < 2; n++) {
      await engine.restart({ workflows: [v1] })
      assert.match((await execution.describe()).error?.message ?? '', /no code is registered for workflow s/)
    }
    await engine.restart({ workflows: [changed] })
    assert.equal((await execution.describe()).status, 'parked')
    await engine.advance(0)
    assert.match((await execution.describe()).error?.message ?? '', /the code made step 'wrap'/)
    const types = typesOf(await execution.history())
    assert.equal(types.filter((type) => type === 'execution-parked').length, 2)
    await engine.restart({ workflows: [stepped] })
    await execution.signal(note, 5)
    assert.deepEqual(await execution.result(), [1, 5])
  })

  test('parked while a sleep ends: it goes on at once when the code is back', async () => {
    const sleeper = workflow({
      name: 'sleeper',
      run: async (ctx) => {
        await ctx.sleep('1h')
        return 'woken'
      },
    })
    await using engine = await createTestEngine({ workflows: [sleeper, v1] })
    const execution = await engine.start(sleeper)
    await engine.restart({ workflows: [v1] })
    await engine.advance('1d')
    assert.equal((await execution.describe()).status, 'parked')
    await engine.restart({ workflows: [sleeper] })
    const before = engine.now()
    assert.equal(await execution.result(), 'woken')
    assert.equal(engine.now(), before)
  })

  test('a parked execution can be terminated, and cancelled when it goes on', async () => {
    await using engine = await createTestEngine({ workflows: [v1] })
    const [a, b] = [await engine.start(v1), await engine.start(v1)]
    await engine.restart({ workflows: [v2] })
    await engine.advance(0)
    await a.terminate('give up')
    await assert.rejects(a.result(), { status: 'terminated' })
    await b.cancel()
    assert.equal((await b.describe()).status, 'parked')
    await engine.restart({ workflows: [v1, v2] })
    await assert.rejects(b.result(), { status: 'cancelled' })
  })

  test('the same version cannot be registered twice with different code', async () => {
    const again = workflow({ name: 'w', version: '1', run: async () => 'other' })
    await assert.rejects(createTestEngine({ workflows: [v1, again] }), { code: 'ARGUMENT_INVALID' })
    await using engine = await createTestEngine({ workflows: [v1, v1] })
    assert.ok(engine)
  })
})

describe('code that does not fit its history', () => {
  const code = (name: string, second: 'step' | 'sleep' | 'none' | 'child') =>
    workflow({
      name: 'w',
      run: async (ctx) => {
        const results: unknown[] = [await ctx.step('first', () => 'a')]
        if (second === 'step') results.push(await ctx.step(name, () => name))
        if (second === 'sleep') results.push(await ctx.sleep('1s'))
        if (second === 'child') results.push(await ctx.child(code(name, 'none')))
        await ctx.waitFor(note)
        return results
      },
    })
  const right = code('second', 'step')

  const changes = [
    { what: 'a renamed step', wrong: code('renamed', 'step'), made: "step 'renamed'" },
    { what: 'another kind of operation', wrong: code('second', 'sleep'), made: 'sleep' },
    { what: 'a child instead of a step', wrong: code('second', 'child'), made: "child 'w'" },
    { what: 'a step that is gone', wrong: code('second', 'none'), made: "wait 'note'" },
  ]

  for (const { what, wrong, made } of changes) {
    test(`${what}: parks, names both sides and the place, and goes on with the right code`, async () => {
      await using engine = await createTestEngine({ workflows: [right] })
      const execution = await engine.start(right)
      await engine.advance(0)
      await engine.restart({ workflows: [wrong] })
      await execution.signal(note, 1)
      await assert.rejects(execution.result(), (error: PerdureError) => {
        assert.equal(error.code, 'NONDETERMINISM')
        assert.match(error.message, /history has step 'second' as operation 2 \(event 3, step-completed\)/)
        assert.ok(error.message.includes(`the code made ${made}`), error.message)
        assert.match(error.message, /versions\.test\.ts:\d+:\d+/)
        return true
      })
      assert.equal((await execution.describe()).status, 'parked')
      await engine.restart({ workflows: [right] })
      assert.deepEqual(await execution.result(), ['a', 'second'])
    })
  }

  test('code that ends too early parks as well', async () => {
    const short = workflow({ name: 'w', run: async (ctx) => ctx.step('first', () => 'a') })
    await using engine = await createTestEngine({ workflows: [right] })
    const execution = await engine.start(right)
    await engine.advance(0)
    await engine.restart({ workflows: [short] })
    await execution.signal(note, 1)
    await assert.rejects(execution.result(), { code: 'NONDETERMINISM' })
    assert.equal((await execution.describe()).status, 'parked')
    await engine.restart({ workflows: [right] })
    assert.deepEqual(await execution.result(), ['a', 'second'])
  })

  test('a change behind what was recorded is fine', async () => {
    const longer = workflow({
      name: 'w',
      run: async (ctx) => {
        const results = [await ctx.step('first', () => 'a'), await ctx.step('second', () => 'second')]
        await ctx.waitFor(note)
        return [...results, await ctx.step('third', () => 'new')]
      },
    })
    await using engine = await createTestEngine({ workflows: [right] })
    const execution = await engine.start(right)
    await engine.advance(0)
    await engine.restart({ workflows: [longer] })
    await execution.signal(note, 1)
    assert.deepEqual(await execution.result(), ['a', 'second', 'new'])
  })

  test('execution.retry tries the code that is there now', async () => {
    let broken = true
    const fickle = workflow({
      name: 'fickle',
      run: async (ctx) => {
        await ctx.step(broken ? 'one' : 'two', () => 1)
        await ctx.waitFor(note)
        return 'ok'
      },
    })
    await using engine = await createTestEngine({ workflows: [fickle] })
    const execution = await engine.start(fickle)
    await engine.advance(0)
    broken = false
    await engine.restart()
    await execution.signal(note, 1)
    await assert.rejects(execution.result(), { code: 'NONDETERMINISM' })
    await execution.retry()
    await assert.rejects(execution.result(), { code: 'NONDETERMINISM' })
    broken = true
    await execution.retry()
    assert.equal(await execution.result(), 'ok')
  })
})

describe('ctx.patched', () => {
  const before = workflow({
    name: 'w',
    run: async (ctx) => {
      await ctx.sleep('1h')
      const result = await ctx.step('old', () => 'old')
      await ctx.sleep('1h')
      return result
    },
  })
  const after = workflow({
    name: 'w',
    run: async (ctx) => {
      await ctx.sleep('1h')
      const result = ctx.patched('better')
        ? await ctx.step('new', () => 'new')
        : await ctx.step('old', () => 'old')
      await ctx.sleep('1h')
      return [result, ctx.patched('better')].join()
    },
  })

  test('is false for executions that passed the place with the old code', async () => {
    await using engine = await createTestEngine({ workflows: [before] })
    const execution = await engine.start(before)
    await engine.advance('90m')
    await engine.restart({ workflows: [after] })
    assert.equal(await execution.result(), 'old,false')
  })

  test('is true for those that reach it with the new code, also later in replay', async () => {
    await using engine = await createTestEngine({ workflows: [before] })
    const old = await engine.start(before)
    await engine.advance('30m')
    await engine.restart({ workflows: [after] })
    const young = await engine.start(after)
    await engine.advance('1h')
    await engine.restart()
    assert.equal(await old.result(), 'new,true')
    assert.equal(await young.result(), 'new,true')
    const marks = (await young.history()).filter(({ event }) => event.type === 'patch-marked')
    assert.equal(marks.length, 1)
  })
})

describe('ctx.continueAsNew', () => {
  test('starts the next run with a fresh history, the same id and the signals not consumed', async () => {
    const loop = workflow({
      name: 'loop',
      run: async (ctx, seen: readonly number[]): Promise<readonly number[]> => {
        const next = [...seen, await ctx.waitFor(note)]
        if (next.length === 4) return next
        return ctx.continueAsNew(next)
      },
    })
    await using engine = await createTestEngine({ workflows: [loop] })
    const execution = await engine.start(loop, [], { id: 'l', attributes: { owner: 'eva' } })
    for (const n of [1, 2, 3, 4]) await engine.execution(loop, 'l').signal(note, n)
    await engine.restart()
    assert.deepEqual(await execution.result(), [1, 2, 3, 4])
    const { executions } = await engine.list()
    assert.equal(executions.length, 4)
    assert.deepEqual(
      executions.map(({ id, status }) => [id, status]),
      [
        ['l', 'completed'],
        ['l', 'continued'],
        ['l', 'continued'],
        ['l', 'continued'],
      ],
    )
    assert.deepEqual(executions[0]?.attributes, { owner: 'eva' })
    assert.deepEqual(
      await engine.execution(loop, 'l', { runId: execution.runId ?? '' }).result(),
      [1, 2, 3, 4],
    )
    const last = await engine.execution(loop, 'l').history()
    assert.equal(last[0]?.event.type, 'execution-started')
    assert.ok(last.length < 10)
  })

  test('validates nothing away: the next input is the one given', async () => {
    const counter = workflow({
      name: 'counter',
      run: async (ctx, n: number): Promise<string> =>
        n === 0 ? `ended in ${ctx.info.runId}` : ctx.continueAsNew(n - 1),
    })
    await using engine = await createTestEngine({
      workflows: [counter],
      faults: [{ kind: 'crash', commit: 2 }],
    })
    const execution = await engine.start(counter, 20)
    assert.notEqual(await execution.result(), `ended in ${execution.runId}`)
    assert.equal(engine.crashes, 1)
  })
})
