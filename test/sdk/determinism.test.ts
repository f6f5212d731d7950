// What workflow code must not do, and how it is told; branches that fail before anybody awaits them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { setTimeout as timerOfModule } from 'node:timers'
import { setTimeout as promisedTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import {
  createEngine,
  type PerdureError,
  signal,
  silentLogger,
  update,
  type WorkflowContext,
  workflow,
} from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { recordedLog } from './recorded-log.ts'

const note = signal<number>('note')
// Taken before any guard is installed: what the guards cannot see.
const realTimeout = globalThis.setTimeout
const realSetImmediate = globalThis.setImmediate

describe('forbidden calls in workflow code', () => {
  const calls: Readonly<Record<string, readonly [call: () => unknown, replacement: RegExp]>> = {
    'Date.now()': [() => Date.now(), /ctx\.now\(\)/],
    'new Date()': [() => new Date(), /ctx\.now\(\)/],
    'Date()': [() => Date(), /ctx\.now\(\)/],
    'Math.random()': [() => Math.random(), /ctx\.random\(\)/],
    'performance.now()': [() => performance.now(), /ctx\.now\(\)/],
    'crypto.randomUUID()': [() => crypto.randomUUID(), /ctx\.uuid\(\)/],
    'crypto.getRandomValues()': [() => crypto.getRandomValues(new Uint8Array(1)), /ctx\.random\(\)/],
    'randomUUID of node:crypto': [() => randomUUID(), /ctx\.uuid\(\)/],
    'randomBytes of node:crypto': [() => randomBytes(1), /ctx\.random\(\)/],
    'randomInt of node:crypto': [() => randomInt(5), /ctx\.random\(\)/],
    'setTimeout()': [() => setTimeout(() => {}, 0), /ctx\.sleep\(\)/],
    'setInterval()': [() => setInterval(() => {}, 1), /ctx\.sleep\(\)/],
    'setImmediate()': [() => setImmediate(() => {}), /ctx\.sleep\(0\)/],
    'setTimeout of node:timers': [() => timerOfModule(() => {}, 0), /ctx\.sleep\(\)/],
    'setTimeout of node:timers/promises': [() => promisedTimeout(0), /ctx\.sleep\(\)/],
    'fetch()': [() => fetch('http://127.0.0.1:1/'), /ctx\.step\(\)/],
  }
  const forbidden = workflow({
    name: 'forbidden',
    run: async (ctx, { which, late }: { which: string; late: boolean }) => {
      if (late) await ctx.sleep('1s')
      calls[which]?.[0]()
      return 'it passed'
    },
  })

  for (const [which, [, replacement]] of Object.entries(calls)) {
    test(`${which} parks the execution and names the replacement`, async () => {
      await using engine = await createTestEngine({ workflows: [forbidden] })
      for (const late of [false, true]) {
        const execution = await engine.start(forbidden, { which, late })
        await assert.rejects(execution.result(), (error: PerdureError) => {
          assert.equal(error.code, 'NONDETERMINISTIC_CALL')
          assert.match(error.message, replacement)
          return true
        })
        assert.equal((await execution.describe()).status, 'parked')
      }
    })
  }

  test('cannot be hidden by catching the error', async () => {
    const sly = workflow({
      name: 'sly',
      run: async () => {
        try {
          return Math.random()
        } catch {
          return 0.5
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [sly] })
    await assert.rejects((await engine.start(sly)).result(), { code: 'NONDETERMINISTIC_CALL' })
  })

  test('are found in branches, scopes, map and update handlers too', async () => {
    const poke = update<number>('poke')
    const draw = async (ctx: WorkflowContext): Promise<number> => {
      await ctx.sleep(1)
      return Math.random()
    }
    const places: Record<string, (ctx: WorkflowContext) => Promise<unknown>> = {
      branch: (ctx) => Promise.all([ctx.sleep('1s'), draw(ctx)]),
      scope: (ctx) => ctx.scope(draw),
      uncancellable: (ctx) => ctx.uncancellable(draw),
      map: (ctx) => ctx.map([1], () => draw(ctx)),
      chain: (ctx) => ctx.sleep(1).then(() => Math.random()),
    }
    const everywhere = workflow({
      name: 'everywhere',
      run: async (ctx, place: string) => places[place]?.(ctx),
    })
    const updated = workflow({
      name: 'updated',
      run: async (ctx) => {
        ctx.onUpdate(poke, () => Math.random())
        await ctx.waitFor(note)
      },
    })
    await using engine = await createTestEngine({ workflows: [everywhere, updated] })
    for (const place of Object.keys(places)) {
      const execution = await engine.start(everywhere, place)
      await assert.rejects(execution.result(), { code: 'NONDETERMINISTIC_CALL' }, place)
    }
    const execution = await engine.start(updated)
    execution.update(poke).catch(() => {})
    await assert.rejects(execution.result(), { code: 'NONDETERMINISTIC_CALL' })
  })

  test('are allowed where they do no harm: in steps, in code around them, for given times', async () => {
    const harmless = workflow({
      name: 'harmless',
      run: async (ctx) => {
        const given = new Date(ctx.now())
        assert.ok(given instanceof Date)
        assert.equal(given.constructor, Date)
        assert.equal(new Date(2020, 1, 1).getFullYear(), 2020)
        assert.equal(Date.UTC(1970, 0, 1), 0)
        const now = await ctx.step('clock', () => Date.now())
        const values = await ctx.step('all', async () => {
          await new Promise((resolve) => setTimeout(resolve, 1))
          return [Math.random(), randomUUID(), String(new Date()), performance.now()].length
        })
        await ctx.sleep('1h')
        return [typeof now, values, given.getTime() === (await ctx.step('same', () => given.getTime()))]
      },
    })
    await using engine = await createTestEngine({ workflows: [harmless] })
    const [before, execution] = [Date.now(), await engine.start(harmless)]
    assert.ok(Math.random() < 1 && before > 0)
    assert.deepEqual(await execution.result(), ['number', 4, true])
    assert.equal(Object.prototype.toString.call(new Date()), '[object Date]')
  })

  test('the globals are as before when the last engine is closed', async () => {
    const before = [
      Date,
      Date.now,
      Math.random,
      setTimeout,
      fetch,
      crypto.randomUUID,
      performance.now,
      process.emit,
    ]
    const first = await createTestEngine({ workflows: [] })
    const second = await createTestEngine({ workflows: [] })
    assert.notEqual(Math.random, before[2])
    await first.close()
    assert.notEqual(Math.random, before[2])
    await second.restart()
    await second.close()
    assert.deepEqual(
      [Date, Date.now, Math.random, setTimeout, fetch, crypto.randomUUID, performance.now, process.emit].map(
        (now, i) => now === before[i],
      ),
      before.map(() => true),
    )
    assert.equal(Object.hasOwn(crypto, 'randomUUID'), false)
    assert.equal(new Date(0).constructor, Date)
  })

  test('createEngine has the guards as an option, off by default', async () => {
    const chance = workflow({ name: 'chance', run: async () => typeof Math.random() })
    await using off = await createEngine({ store: 'memory', workflows: [chance], logger: silentLogger })
    assert.equal(await (await off.start(chance)).result(), 'number')
    await using on = await createEngine({
      store: 'memory',
      workflows: [chance],
      logger: silentLogger,
      determinismGuards: true,
    })
    const execution = await on.start(chance)
    while ((await execution.describe()).status === 'running')
      await new Promise((resolve) => realTimeout(resolve, 1))
    assert.match((await execution.describe()).error?.message ?? '', /Math\.random\(\)/)
  })
})

describe('foreign promises in workflow code', () => {
  const foreign: Readonly<Record<string, (ctx: WorkflowContext) => Promise<unknown>>> = {
    'a promise that nothing settles': () => new Promise(() => {}),
    'a file': () => readFile(import.meta.filename),
    'a timer the guards do not see, then the end': () => new Promise((resolve) => realTimeout(resolve, 2)),
    'a macrotask, then an operation': async (ctx) => {
      await new Promise((resolve) => realSetImmediate(resolve))
      await ctx.sleep(1)
    },
    'a timer in a race with an operation': async (ctx) => {
      await Promise.race([ctx.waitFor(note), new Promise((resolve) => realTimeout(resolve, 2))])
      await ctx.step('after', () => 1)
    },
    'a timer that is due before the turn of the worker ends': async (ctx) => {
      const soon = new Promise((resolve) => realTimeout(resolve, 1))
      const endNs = process.hrtime.bigint() + 5_000_000n
      while (process.hrtime.bigint() < endNs);
      await soon
      await ctx.step('after', () => 1)
    },
    'a promise chain behind an operation': async (ctx) => {
      await ctx.sleep(1)
      await readFile(import.meta.filename)
      return ctx.now()
    },
  }
  const awaiting = workflow({ name: 'awaiting', run: async (ctx, what: string) => foreign[what]?.(ctx) })

  for (const what of Object.keys(foreign)) {
    test(`${what}: parks with FOREIGN_PROMISE`, async () => {
      await using engine = await createTestEngine({ workflows: [awaiting] })
      const execution = await engine.start(awaiting, what)
      await assert.rejects(execution.result(), (error: PerdureError) => {
        assert.equal(error.code, 'FOREIGN_PROMISE')
        assert.match(error.message, /ctx\.step/)
        return true
      })
      assert.equal((await execution.describe()).status, 'parked')
    })
  }

  test('promises of the code itself are fine: values, deferreds settled by handlers, long chains', async () => {
    const set = update<void, string>('set')
    const own = workflow({
      name: 'own',
      run: async (ctx) => {
        const { promise, resolve } = Promise.withResolvers<string>()
        ctx.onUpdate(set, (text) => resolve(text))
        let sum = 0
        for (let i = 0; i < 1000; i++) sum += await Promise.resolve(1)
        const text = await promise
        return [sum, text, await Promise.all([1, Promise.resolve(2)])]
      },
    })
    await using engine = await createTestEngine({ workflows: [own] })
    const execution = await engine.start(own)
    await engine.restart()
    await execution.update(set, 'hello')
    assert.deepEqual(await execution.result(), [1000, 'hello', [1, 2]])
  })
})

describe('branches that fail before they are awaited', () => {
  const noRetry = { retry: { maxAttempts: 1 } } as const
  const late = workflow({
    name: 'late',
    run: async (ctx) => {
      const branch = async () => {
        await ctx.step('breaks', () => Promise.reject(new Error('branch')), noRetry)
      }
      const floating = branch()
      const bare = ctx.step('breaks too', () => Promise.reject(new Error('bare')), noRetry)
      const chained = ctx.sleep('1m').then(() => Promise.reject(new Error('chained')))
      await ctx.sleep('1h')
      const messages: string[] = []
      for (const promise of [floating, bare, chained])
        await promise.catch((error: unknown) => messages.push((error as Error).message))
      return messages
    },
  })

  test('fail when they are awaited, also after a restart; the process lives', async () => {
    const logger = recordedLog()
    await using engine = await createTestEngine({ workflows: [late], logger })
    const execution = await engine.start(late)
    await engine.advance('30m')
    await engine.restart()
    await engine.advance('10m')
    assert.deepEqual(await execution.result(), ['branch', 'bare', 'chained'])
    assert.deepEqual(logger.entries, [])
  })

  test('that nobody ever awaits are logged when the code ends', async () => {
    const logger = recordedLog()
    const careless = workflow({
      name: 'careless',
      run: async (ctx) => {
        void ctx.step('lost', () => Promise.reject(new Error('lost')), noRetry)
        await ctx.sleep('1s')
        return 'done'
      },
    })
    await using engine = await createTestEngine({ workflows: [careless], logger })
    const execution = await engine.start(careless, undefined, { id: 'c' })
    assert.equal(await execution.result(), 'done')
    await engine.advance(0)
    const [entry] = logger.entries
    assert.equal(logger.entries.length, 1)
    assert.equal(entry?.level, 'warn')
    assert.match(entry?.message ?? '', /nobody awaited/)
    assert.equal(entry?.fields.workflowId, 'c')
    assert.equal((entry?.fields.error as Error | undefined)?.message, 'lost')
  })

  test('rejections outside of workflows end the process as ever', () => {
    const index = JSON.stringify(pathToFileURL(`${import.meta.dirname}/../../src/index.ts`).href)
    const program = (outside: string) => `
      import { createEngine, workflow } from ${index}
      const w = workflow({ name: 'w', run: async (ctx) => {
        const floating = (async () => { await ctx.step('x', () => { throw new Error('inside') }, { retry: { maxAttempts: 1 } }) })()
        await ctx.sleep(20)
        await floating.catch(() => {})
        return await ctx.step('y', () => { ${outside} })
      } })
      const engine = await createEngine({ store: 'memory', workflows: [w] })
      await (await engine.start(w)).result()
      await new Promise((resolve) => setTimeout(resolve, 20))
      console.log('alive')
      await engine.close()
    `
    const run = (outside: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', program(outside)], { encoding: 'utf8' })
    const quiet = run('')
    assert.equal(quiet.stdout, 'alive\n', quiet.stderr)
    assert.equal(quiet.stderr, '')
    const loud = run("void Promise.reject(new Error('from a step'))")
    assert.equal(loud.status, 1)
    assert.match(loud.stderr, /from a step/)
    assert.doesNotMatch(loud.stdout, /alive/)
  })
})
