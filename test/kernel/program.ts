/** A small language of workflow programs, and the workflow that interprets it. */
import type { WorkflowContext } from '../../src/sdk/context.ts'
import { query, signal, update, type Workflow, workflow } from '../../src/sdk/definition.ts'
import { task } from '../../src/sdk/tasks/task.ts'
import { GROUP } from './human-inputs.ts'

export type Op =
  | { readonly do: 'step'; readonly name: string; readonly retries: number }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'wait'; readonly signal: string; readonly timeoutMs?: number }
  | { readonly do: 'child'; readonly use: 'await' | 'keep' | 'signal' | 'cancel' }
  | { readonly do: 'task'; readonly name: string }
  | { readonly do: 'human'; readonly name: string; readonly use: 'task' | 'together' | 'sequence' }
  | { readonly do: 'all' | 'race' | 'any' | 'allSettled'; readonly branches: readonly (readonly Op[])[] }
  | { readonly do: 'map'; readonly items: number; readonly concurrency: number; readonly body: readonly Op[] }
  | { readonly do: 'scope'; readonly body: readonly Op[]; readonly beforeCancel?: readonly Op[] }
  | { readonly do: 'uncancellable'; readonly body: readonly Op[] }
  | { readonly do: 'try'; readonly body: readonly Op[] }
  | { readonly do: 'loop'; readonly times: number; readonly body: readonly Op[] }
  | {
      readonly do: 'patched'
      readonly id: string
      readonly body: readonly Op[]
      readonly before: readonly Op[]
    }
  | { readonly do: 'attributes'; readonly name: string; readonly value: number }
  /** A step whose name depends on `ctx.random`. */
  | { readonly do: 'random' }
  | { readonly do: 'throw' }
  | { readonly do: 'continue' }

export interface Program {
  readonly body: readonly Op[]
  /** What the handler of the update does; without it there is no handler. */
  readonly onUpdate?: readonly Op[]
}

export const UPDATE = update<number>('nudge')
export const TRACE = query<readonly string[]>('trace')

const childWorkflow = workflow({ name: 'child', run: () => undefined })

/** `onStart` gets what the code will note, each time it starts from the beginning. */
export function programWorkflow(program: Program, onStart?: (trace: readonly string[]) => void): Workflow {
  return workflow({
    name: 'program',
    run: async (ctx) => {
      const trace: string[] = []
      onStart?.(trace)
      ctx.onQuery(TRACE, () => trace)
      const { onUpdate } = program
      if (onUpdate !== undefined) {
        ctx.onUpdate(UPDATE, async () => {
          await runAll(ctx, onUpdate, trace)
          return trace.length
        })
      }
      await runAll(ctx, program.body, trace)
      return trace
    },
  })
}

async function runAll(ctx: WorkflowContext, ops: readonly Op[], trace: string[]): Promise<void> {
  for (const op of planned(ctx, ops, trace)) await runOp(ctx, op, trace)
}

type Plain = Exclude<Op, { do: 'patched' }>

/**
 * What runs one after the other: a patch is an `if` around what it guards, as in the code of a user.
 *
 * It must add no `await`. Where one event wakes several branches, those with fewer of them on the way go on first: with one
 * more, the code that the patch keeps could make its operations in another order.
 */
function* planned(ctx: WorkflowContext, ops: readonly Op[], trace: string[]): Generator<Plain> {
  for (const op of ops) {
    if (op.do === 'patched') {
      const isNew = ctx.patched(op.id)
      trace.push(`${op.id}: ${isNew}`)
      yield* planned(ctx, isNew ? op.body : op.before, trace)
    } else yield op
  }
}

async function runOp(ctx: WorkflowContext, op: Plain, trace: string[]): Promise<void> {
  const run = (body: readonly Op[], within = ctx) => runAll(within, body, trace)
  switch (op.do) {
    case 'step':
    case 'random': {
      const name = op.do === 'step' ? op.name : `random-${Math.floor(ctx.random() * 1000)}`
      const retry = { maxAttempts: op.do === 'step' ? op.retries + 1 : 1, initialInterval: 10 }
      trace.push(`${name}=${await ctx.step(name, () => undefined, { retry })}`)
      return
    }
    case 'sleep':
      await ctx.sleep(op.ms)
      trace.push('slept')
      return
    case 'wait': {
      const of = signal<string>(op.signal)
      const payload =
        op.timeoutMs === undefined ? await ctx.waitFor(of) : await ctx.waitFor(of, { timeout: op.timeoutMs })
      trace.push(`${op.signal}=${payload}`)
      return
    }
    case 'task':
      trace.push(`${op.name}=${await ctx.task(task({ name: op.name, run: () => 0 }), undefined)}`)
      return
    case 'human':
      return runHuman(ctx, op, trace)
    case 'child':
      return runChild(ctx, op.use, trace)
    case 'all':
    case 'race':
    case 'any':
    case 'allSettled':
      return join(op.do, op.branches, run)
    case 'map':
      await ctx.map([...Array(op.items).keys()], () => run(op.body), { concurrency: op.concurrency })
      return
    case 'attributes':
      ctx.setAttributes({ [op.name]: op.value })
      return
    case 'throw':
      throw new Error('thrown by the program')
    case 'continue':
      return ctx.continueAsNew(trace)
    default:
      return runNested(ctx, op, trace)
  }
}

async function runHuman(
  ctx: WorkflowContext,
  { name, use }: Extract<Op, { do: 'human' }>,
  trace: string[],
): Promise<void> {
  const shared = {
    title: name,
    dueIn: 40,
    escalate: { after: 20, users: ['eve'], priority: 9, release: true },
    requester: 'ann',
    // Each says so: otherwise it would hang on what was opened first, which races with what people do.
    fourEyes: name === 'a' ? 'b' : 'a',
  }
  if (use === 'task') {
    const { by, data } = await ctx.humanTask({
      ...shared,
      candidateUsers: ['ann'],
      candidateGroups: [GROUP],
      onDue: 'expire',
    })
    trace.push(`${name} by ${by}: ${data}`)
    return
  }
  const { approved, decisions } = await ctx.approval({
    ...shared,
    approvers: ['bob', { groups: [GROUP] }],
    order: use === 'together' ? 'parallel' : 'sequence',
    rule: use === 'together' ? 'any' : 'all',
  })
  trace.push(`${name} ${approved} by ${decisions.map(({ by }) => by).join(',')}`)
}

type Nested = Extract<Op, { do: 'scope' | 'uncancellable' | 'try' | 'loop' }>

async function runNested(ctx: WorkflowContext, op: Nested, trace: string[]): Promise<void> {
  const run = (body: readonly Op[], within = ctx) => runAll(within, body, trace)
  switch (op.do) {
    case 'scope': {
      const scope = ctx.scope((inner) => run(op.body, inner))
      if (op.beforeCancel !== undefined) {
        await run(op.beforeCancel)
        scope.cancel('enough')
      }
      try {
        await scope
      } catch (error) {
        trace.push(`scope: ${kindOf(error)}`)
      }
      return
    }
    case 'uncancellable':
      return ctx.uncancellable((inner) => run(op.body, inner))
    case 'try':
      try {
        await run(op.body)
      } catch (error) {
        trace.push(`caught: ${kindOf(error)}`)
      }
      return
    case 'loop':
      for (let i = 0; i < op.times; i++) await run(op.body)
      return
  }
}

async function runChild(ctx: WorkflowContext, use: string, trace: string[]): Promise<void> {
  const child = ctx.child(childWorkflow, undefined)
  if (use === 'keep') return
  if (use === 'signal') await child.signal(signal<string>('poke'), 'hello')
  if (use === 'cancel') child.cancel('not needed')
  trace.push(`child=${await child}`)
}

function join(
  how: 'all' | 'race' | 'any' | 'allSettled',
  branches: readonly (readonly Op[])[],
  run: (body: readonly Op[]) => Promise<void>,
): Promise<void> {
  const running = branches.map((branch) => run(branch))
  const none = (): void => {}
  if (how === 'all') return Promise.all(running).then(none)
  if (how === 'race') return Promise.race(running)
  if (how === 'any') return Promise.any(running)
  return Promise.allSettled(running).then(none)
}

/** Messages hold ids and times; the kind of an error is enough to tell one path from another. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return `not an error: ${String(error)}`
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : error.name
}
