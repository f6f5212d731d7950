// perdure/testing itself: skipped time, faults, crashes, replay at the end.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { type PerdureError, signal, workflow } from '../../src/index.ts'
import { createTestEngine, type Fault, replayHistory } from '../../src/testing.ts'
import { temporaryFile } from './temporary-file.ts'

const note = signal<number>('note')
const DAY_MS = 86_400_000

const monthly = workflow({
  name: 'monthly',
  run: async (ctx, months: number) => {
    const seen: number[] = []
    for (let month = 0; month < months; month++) {
      await ctx.sleep('30d')
      seen.push(await ctx.step('bill', () => month))
    }
    return seen
  },
})

describe('time', () => {
  test('starts where it is told and moves only as far as it must', async () => {
    await using engine = await createTestEngine({
      workflows: [monthly],
      startTime: new Date('2030-05-01T00:00:00Z'),
    })
    assert.equal(engine.now(), Date.UTC(2030, 4, 1))
    const execution = await engine.start(monthly, 12)
    assert.equal(engine.now(), Date.UTC(2030, 4, 1), 'nobody waits: time stands still')
    assert.equal((await execution.result()).length, 12)
    assert.equal(engine.now() - Date.UTC(2030, 4, 1), 360 * DAY_MS)
  })

  test('advance stops in the middle of a sleep, and runs what becomes due on the way in order', async () => {
    const order: number[] = []
    const waking = workflow({
      name: 'waking',
      run: async (ctx, days: number) => {
        await ctx.sleep(days * DAY_MS)
        await ctx.step('wake', () => order.push(days))
      },
    })
    await using engine = await createTestEngine({ workflows: [waking] })
    const executions = []
    for (const days of [3, 1, 2]) executions.push(await engine.start(waking, days))
    await engine.advance('47h')
    assert.deepEqual(order, [1])
    await engine.advance('1h')
    assert.deepEqual(order, [1, 2])
    assert.equal((await executions[0]?.describe())?.status, 'running')
  })

  test('skipTime: false leaves all of it to advance', async () => {
    await using engine = await createTestEngine({ workflows: [monthly], skipTime: false })
    const execution = await engine.start(monthly, 1)
    let result: readonly number[] | undefined
    const waiting = execution.result().then((value) => {
      result = value
    })
    await engine.advance('29d')
    assert.equal(result, undefined)
    await engine.advance('1d')
    await waiting
    assert.deepEqual(result, [0])
  })

  test('waits for real work of steps: files, sockets', async () => {
    const server = createServer((_request, response) => setTimeout(() => response.end('from a server'), 5))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const real = workflow({
      name: 'real',
      run: async (ctx) => {
        const texts = await Promise.all([
          ctx.step('file', async () => (await readFile(import.meta.filename, 'utf8')).slice(0, 2)),
          ctx.step('socket', async () => (await fetch(`http://127.0.0.1:${port}/`)).text(), {
            timeout: '5s',
          }),
          Promise.race([ctx.sleep('1ms').then(() => 'slept'), ctx.sleep('1d').then(() => 'too late')]),
        ])
        await ctx.sleep('30d')
        return texts
      },
    })
    try {
      await using engine = await createTestEngine({ workflows: [real] })
      assert.deepEqual(await (await engine.start(real)).result(), ['//', 'from a server', 'slept'])
    } finally {
      server.close()
    }
  })

  test('a thousand executions asleep for a year wake in milliseconds, in order', async () => {
    const woken: number[] = []
    const sleeper = workflow({
      name: 'sleeper',
      run: async (ctx, n: number) => {
        await ctx.sleep((365 + (n % 10)) * DAY_MS)
        woken.push(n % 10)
      },
    })
    await using engine = await createTestEngine({
      workflows: [sleeper],
      idleExecutions: 100,
      replayOnClose: false,
    })
    const all = await Promise.all(Array.from({ length: 1000 }, (_, n) => engine.start(sleeper, n)))
    await Promise.all(all.map((execution) => execution.result()))
    assert.deepEqual(
      woken,
      woken.toSorted((a, b) => a - b),
    )
    assert.equal(woken.length, 1000)
  })
})

describe('faults', () => {
  const order = workflow({
    name: 'order',
    run: async (ctx, n: number) => {
      const paid = await ctx.step('pay', () => n * 2)
      await ctx.sleep('1h')
      const answer = await ctx.waitFor(note, { timeout: '1d' })
      const child = await ctx.child(monthly, 2)
      ctx.setAttributes({ paid })
      const [a, b] = await Promise.all([ctx.step('a', () => 'a'), ctx.step('b', () => 'b')])
      return [paid, answer, child, a, b]
    },
  })
  const expected = [10, 7, [0, 1], 'a', 'b']

  const run = async (faults: readonly Fault[], store?: string) => {
    await using engine = await createTestEngine({
      workflows: [order, monthly],
      faults,
      ...(store === undefined ? {} : { store, startTime: 0 }),
    })
    const execution = await engine.start(order, 5, { id: 'o', onConflict: 'fail' })
    await execution.signal(note, 7)
    assert.deepEqual(await execution.result(), expected)
    assert.deepEqual((await execution.describe()).attributes, { paid: 10 })
    const { crashes, commits } = engine
    return { crashes, commits, counters: await engine.counters() }
  }

  test('a crash at any commit, written or not, changes no result; handles and calls go on by themselves', async () => {
    const { commits } = await run([])
    assert.ok(commits > 8, `${commits} commits`)
    for (let commit = 1; commit <= commits; commit++) {
      for (const applied of [false, true]) {
        const { crashes } = await run([{ kind: 'crash', commit, applied }])
        assert.equal(crashes, 1, `commit ${commit}`)
      }
    }
  })

  test('several crashes, one right after the other', async () => {
    const faults: Fault[] = []
    for (let commit = 1; commit <= 12; commit++)
      faults.push({ kind: 'crash', commit, applied: commit % 3 === 0 })
    assert.equal((await run(faults)).crashes, 12)
  })

  test('an unknown commit is settled, lost or applied', async () => {
    for (let commit = 1; commit <= 8; commit++) {
      for (const applied of [false, true]) {
        const { crashes, counters } = await run([{ kind: 'unknown-commit', commit, applied }])
        assert.equal(crashes, 0)
        assert.deepEqual([counters.unknownSettledIn, counters.unknownSettledOut], applied ? [1, 0] : [0, 1])
      }
    }
  })

  test('a fenced engine starts over in a new session', async () => {
    for (let commit = 1; commit <= 8; commit++)
      assert.equal((await run([{ kind: 'fenced', commit }])).counters.fenced, 1)
  })

  test('a slow store only takes time', async () => {
    await run([{ kind: 'slow-store', delay: '10s' }])
    await run([
      { kind: 'slow-store', delay: '1m', from: 2, to: 4 },
      { kind: 'crash', commit: 3, applied: true },
    ])
  })

  test('a store that fails for good stops the engine: callers learn why, nothing is acknowledged', async () => {
    const failures: Error[] = []
    const engine = await createTestEngine({
      workflows: [order, monthly],
      faults: [{ kind: 'store-failure', commit: 2 }],
      onFailed: (error) => void failures.push(error),
    })
    const execution = await engine.start(order, 5)
    await assert.rejects(execution.signal(note, 7), (error: PerdureError) => {
      return error.code === 'ENGINE_FAILED' && /injected at commit 2/.test(error.message)
    })
    await assert.rejects(engine.start(order, 6), { code: 'ENGINE_FAILED' })
    await assert.rejects(execution.result(), { code: 'ENGINE_FAILED' })
    assert.equal(failures.length, 1)
    await engine.close()
  })

  test('also on SQLite: the file is closed and opened again', async () => {
    for (const commit of [1, 3, 5, 8]) {
      for (const applied of [false, true]) {
        using file = temporaryFile('data.db')
        const { crashes } = await run([{ kind: 'crash', commit, applied }], `sqlite:${file.path}`)
        assert.equal(crashes, 1)
      }
    }
  })
})

describe('replay', () => {
  let flip = false
  const moody = workflow({
    name: 'moody',
    run: async (ctx) => {
      await ctx.step(flip ? 'left' : 'right', () => 1)
      await ctx.waitFor(note)
      return flip
    },
  })

  test('closing the engine replays every execution, open and closed, and names those that diverge', async () => {
    flip = false
    const engine = await createTestEngine({ workflows: [moody] })
    await engine.start(moody, undefined, { id: 'open' })
    const closed = await engine.start(moody, undefined, { id: 'closed' })
    await closed.signal(note, 1)
    await closed.result()
    flip = true
    await assert.rejects(engine.close(), (error: PerdureError) => {
      assert.equal(error.code, 'NONDETERMINISM')
      assert.match(error.message, /2 executions diverge/)
      assert.match(
        error.message,
        /execution open, workflow moody version 1: history has step 'right' as operation 1/,
      )
      assert.match(
        error.message,
        /execution closed, .* the code made step 'left' at .*testing-engine\.test\.ts/,
      )
      return true
    })
    await engine.close()
  })

  test('another result, another failure, another answer are divergences too', async () => {
    let value = 1
    const drifting = workflow({
      name: 'drifting',
      run: async (_ctx, fails: boolean) => {
        if (fails) throw new Error(`failure ${value}`)
        return { value }
      },
    })
    const engine = await createTestEngine({ workflows: [drifting] })
    await (await engine.start(drifting, false)).result()
    await (await engine.start(drifting, true)).result().catch(() => {})
    value = 2
    await assert.rejects(engine.close(), (error: PerdureError) => {
      assert.match(error.message, /history ends with the result \{"value":1\}/)
      assert.match(error.message, /the code ended with the failure 'Error: failure 2'/)
      return true
    })
  })

  test('a parked execution that nobody asked about is told at the end', async () => {
    const chance = workflow({ name: 'chance', run: async () => Math.random() })
    const engine = await createTestEngine({ workflows: [chance] })
    await engine.start(chance)
    await engine.advance(0)
    await assert.rejects(engine.close(), /workflow chance version 1: workflow code called Math\.random\(\)/)
  })

  test('replayHistory holds a recorded history against code', async () => {
    flip = false
    await using engine = await createTestEngine({ workflows: [moody, monthly], replayOnClose: false })
    const execution = await engine.start(moody)
    await execution.signal(note, 1)
    await execution.result()
    const history = JSON.parse(JSON.stringify(await execution.history())) as Awaited<
      ReturnType<typeof execution.history>
    >
    await replayHistory(moody, history)
    await replayHistory(moody, history.slice(0, 2))
    flip = true
    await assert.rejects(replayHistory(moody, history), {
      code: 'NONDETERMINISM',
      message:
        /history has step 'right' as operation 1 \(event 2, step-completed\), but the code made step 'left' at/,
    })
    await assert.rejects(replayHistory(monthly, history), { code: 'NONDETERMINISM' })
    await assert.rejects(replayHistory(moody, []), { code: 'ARGUMENT_INVALID' })
    await assert.rejects(replayHistory(moody, history, { runId: 'x' }), { code: 'ID_INVALID' })
  })

  test('replayHistory repeats random values when it knows the run', async () => {
    const drawing = workflow({
      name: 'drawing',
      run: async (ctx) => {
        await ctx.step(`step ${Math.floor(ctx.random() * 1000)}`, () => 1)
        return ctx.uuid()
      },
    })
    await using engine = await createTestEngine({ workflows: [drawing] })
    const execution = await engine.start(drawing)
    await execution.result()
    const history = await execution.history()
    await replayHistory(drawing, history, { runId: execution.runId ?? '' })
    await assert.rejects(replayHistory(drawing, history), { code: 'NONDETERMINISM' })
  })

  test('histories with retries, cancellation, updates and continue-as-new replay', async () => {
    let down = true
    const rich = workflow({
      name: 'rich',
      run: async (ctx, n: number): Promise<string> => {
        if (n < 2) return ctx.continueAsNew(n + 1)
        const scope = ctx.scope((inner) => inner.sleep('10d'))
        await ctx.sleep('1h')
        scope.cancel()
        await ctx.step(
          'fragile',
          () => {
            if (down) throw new Error('down')
          },
          { retry: { maxAttempts: 2 } },
        )
        try {
          await ctx.sleep('1d')
        } finally {
          await ctx.uncancellable((safe) => safe.step('clean', () => 1))
        }
        return 'not reached'
      },
    })
    await using engine = await createTestEngine({ workflows: [rich] })
    const execution = await engine.start(rich, 0)
    await execution.result().catch(() => {})
    down = false
    const newest = engine.execution(rich, execution.id)
    await newest.retry()
    await engine.advance('1h')
    await newest.cancel()
    await assert.rejects(newest.result(), { status: 'cancelled' })
    await replayHistory(rich, await newest.history())
  })
})
