// Types end to end, checked by `tsc`: nothing here runs. Not one cast: what is written is what users write.
import { z } from 'zod'
import {
  type Child,
  type Engine,
  type Execution,
  type ExecutionStatus,
  query,
  type SequencedEvent,
  signal,
  update,
  type Workflow,
  workflow,
} from '../../src/index.ts'
import { createTestEngine, replayHistory } from '../../src/testing.ts'
import { expectType } from './expect-type.ts'

interface Decision {
  readonly by: string
}

const approved = signal<Decision>('approved')
const stop = signal('stop')
const progress = query<number>('progress')
const part = query<string, number>('part')
const rename = update<string, { readonly name: string }>('rename')
const refresh = update<void>('refresh')

// --- With schemas: callers give the input of the schema, code gets its output, and the other way round for results.

export const fulfil = workflow({
  name: 'fulfil',
  version: '2',
  input: z.object({ id: z.string(), amount: z.coerce.number(), note: z.string().default('') }),
  output: z.object({ receipt: z.string().transform((text) => text.length) }),
  run: async (ctx, order) => {
    expectType<{ id: string; amount: number; note: string }>()(order)
    const charged = await ctx.step('charge', ({ idempotencyKey, attempt, abortSignal }) => {
      expectType<string>()(idempotencyKey)
      expectType<number>()(attempt)
      expectType<AbortSignal>()(abortSignal)
      return Promise.resolve({ ok: true })
    })
    expectType<{ ok: boolean }>()(charged)
    expectType<number>()(await ctx.step('plain', () => 5))
    expectType<Decision>()(await ctx.waitFor(approved))
    expectType<Decision | undefined>()(await ctx.waitFor(approved, { timeout: '1d' }))
    expectType<void>()(await ctx.waitFor(stop))
    const [label, invoice] = await Promise.all([ctx.step('a', () => 'a'), ctx.step('b', () => 1)])
    expectType<string>()(label)
    expectType<number>()(invoice)
    expectType<boolean[]>()(await ctx.map([1, 2], async (n) => n > 1, { concurrency: 2 }))
    expectType<string>()(await ctx.scope(async (inner) => inner.uuid()))
    expectType<number>()(await ctx.uncancellable(async (inner) => inner.now()))
    return { receipt: 'r' }
  },
})

export const badOutput = workflow({
  name: 'bad-output',
  // @ts-expect-error: the result does not fit the output schema
  output: z.object({ receipt: z.string() }),
  run: async () => ({ receipt: 5 }),
})

// --- Any Standard Schema, such as valibot's.

interface ValibotLike<In, Out> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: 'valibot'
    readonly validate: (
      value: unknown,
    ) => { readonly value: Out } | { readonly issues: readonly { readonly message: string }[] }
    readonly types?: { readonly input: In; readonly output: Out } | undefined
  }
}
declare const dateSchema: ValibotLike<string, Date>

export const dated = workflow({
  name: 'dated',
  input: dateSchema,
  run: async (_ctx, when) => {
    expectType<Date>()(when)
    return when.getTime()
  },
})

// --- Without a schema: the types of the function.

export const typed = workflow({
  name: 'typed',
  run: async (_ctx, input: { readonly n: number }) => `${input.n}`,
})
export const optional = workflow({ name: 'optional', run: async (_ctx, input?: string) => input ?? 'none' })
export const bare = workflow({ name: 'bare', run: async (ctx) => ctx.now() })
export const nothing = workflow({ name: 'nothing', run: async () => {} })

// --- Handlers and children.

export const parent = workflow({
  name: 'parent',
  run: async (ctx) => {
    ctx.onQuery(progress, () => 0.5)
    ctx.onQuery(part, (n) => {
      expectType<number>()(n)
      return `${n}`
    })
    // @ts-expect-error: a query handler answers with the type of the query
    ctx.onQuery(progress, () => 'half')
    // @ts-expect-error: a query handler answers at once
    ctx.onQuery(progress, async () => 0.5)
    ctx.onUpdate(
      rename,
      async ({ name }) => {
        expectType<string>()(name)
        return name
      },
      { validate: ({ name }) => void name.length },
    )
    ctx.onUpdate(refresh, () => {})
    // @ts-expect-error: the handler gives the type of the update
    ctx.onUpdate(rename, () => 5)

    const child = ctx.child(typed, { n: 1 }, { parentClosePolicy: 'abandon', executionTimeout: '1h' })
    expectType<Child<string>>()(child)
    expectType<string>()(await child)
    expectType<string>()(child.id)
    await child.signal(approved, { by: 'eva' })
    await child.signal(stop)
    // @ts-expect-error: the payload of the signal is missing
    await child.signal(approved)
    // @ts-expect-error: another payload
    await child.signal(approved, { by: 5 })
    expectType<{ receipt: number }>()(await ctx.child(fulfil, { id: 'a', amount: '5' }))
    expectType<number>()(await ctx.child(bare))
    // @ts-expect-error: the input of the child is missing
    ctx.child(typed)
    // @ts-expect-error: wrong input
    ctx.child(typed, { n: '1' })
    // @ts-expect-error: no such policy
    ctx.child(bare, undefined, { parentClosePolicy: 'ignore' })
    // @ts-expect-error: not a duration
    await ctx.sleep('1 hour')
    await ctx.sleep('1.5h')
    await ctx.sleepUntil(new Date(0))
    ctx.setAttributes({ a: 1, b: 'x', c: true, d: null })
    // @ts-expect-error: attributes are plain values
    ctx.setAttributes({ a: [] })
    // @ts-expect-error: no such backoff
    await ctx.step('x', () => 1, { retry: { backoff: 'linear' } })
    return ctx.continueAsNew()
  },
})

// --- Callers.

export async function callers(engine: Engine): Promise<void> {
  const started = await engine.start(fulfil, { id: 'a', amount: '12.5' }, { id: 'order-a', delay: '1m' })
  expectType<
    Execution<Workflow<{ id: string; amount: unknown; note?: string | undefined }, { receipt: number }>>
  >()(started)
  expectType<{ receipt: number }>()(await started.result())
  // @ts-expect-error: the input is missing
  await engine.start(fulfil)
  // @ts-expect-error: a field is missing
  await engine.start(fulfil, { amount: 1 })
  // @ts-expect-error: no such policy
  await engine.start(bare, undefined, { onConflict: 'ignore' })

  expectType<number>()(await (await engine.start(dated, '2025-01-01')).result())
  // @ts-expect-error: callers give the input of the schema, not its output
  await engine.start(dated, new Date(0))

  expectType<string>()(await (await engine.start(typed, { n: 1 })).result())
  // @ts-expect-error: wrong input
  await engine.start(typed, { n: '1' })
  expectType<string>()(await (await engine.start(optional)).result())
  expectType<string>()(await (await engine.start(optional, 'x')).result())
  // @ts-expect-error: wrong input
  await engine.start(optional, 5)
  expectType<number>()(await (await engine.start(bare)).result())
  expectType<void>()(await (await engine.start(nothing, undefined, { id: 'n' })).result())

  const existing = engine.execution(fulfil, 'order-a')
  expectType<{ receipt: number }>()(await existing.result())
  expectType<string>()(await engine.execution(typed, 'x').result())

  await existing.signal(approved, { by: 'eva' }, { requestId: 'r' })
  await existing.signal(stop)
  // @ts-expect-error: the payload is missing
  await existing.signal(approved)
  // @ts-expect-error: another payload
  await existing.signal(approved, 'eva')
  expectType<number>()(await existing.query(progress))
  expectType<string>()(await existing.query(part, 5))
  // @ts-expect-error: the input of the query is missing
  await existing.query(part)
  expectType<string>()(await existing.update(rename, { name: 'n' }, { updateId: 'u' }))
  expectType<void>()(await existing.update(refresh))
  // @ts-expect-error: wrong input
  await existing.update(rename, { title: 'n' })

  await engine.signalWithStart(typed, { n: 1 }, approved, { by: 'eva' }, { id: 'x' })
  // @ts-expect-error: the id is what makes it idempotent
  await engine.signalWithStart(typed, { n: 1 }, approved, { by: 'eva' }, {})
  // @ts-expect-error: another payload
  await engine.signalWithStart(typed, { n: 1 }, approved, 5, { id: 'x' })

  const description = await existing.describe()
  expectType<ExecutionStatus>()(description.status)
  expectType<Error | undefined>()(description.error)
  for await (const event of existing.watch()) expectType<SequencedEvent>()(event)
  const { executions, cursor } = await engine.list({ workflow: fulfil, status: ['running'], limit: 5 })
  expectType<string | undefined>()(cursor)
  expectType<Date | undefined>()(executions.at(0)?.closedAt)
  // @ts-expect-error: no such status
  await engine.list({ status: ['asleep'] })
}

export async function testing(): Promise<void> {
  await using engine = await createTestEngine({
    workflows: [fulfil, typed, bare, nothing, parent],
    seed: 5,
    startTime: new Date(0),
    faults: [
      { kind: 'crash', commit: 3, applied: true },
      { kind: 'slow-store', delay: '1s' },
    ],
  })
  expectType<string>()(await (await engine.start(typed, { n: 1 })).result())
  expectType<number>()(engine.now())
  await engine.advance('30d')
  await replayHistory(typed, await engine.execution(typed, 'x').history())
  // @ts-expect-error: no such fault
  await createTestEngine({ workflows: [], faults: [{ kind: 'fire', commit: 1 }] })
}
