/** The workflows of the mixed workload. Each step execution is written to a ledger outside of the engine's file. */
import { existsSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import {
  NonRetryableError,
  type Signal,
  type StepContext,
  signal,
  update,
  type Workflow,
  workflow,
} from '../../src/index.ts'
import { FLAKY_SUCCEEDS_AT, MAP_ITEMS, MAX_ATTEMPTS, ROUNDS } from './mixed-cases.ts'

export const part = signal<number>('part')
export const finish = signal('finish')
export const add = update<number, number>('add')

export interface Workload {
  readonly workflows: readonly Workflow[]
  readonly byName: Readonly<Record<string, Workflow<never, unknown>>>
  /** From now on the broken step of this case succeeds. */
  mend(id: string): void
}

/** `round` tells the lives of the process apart in the ledger. */
export function mixedWorkload(directory: string, round: number): Workload {
  const ledger = openSync(`${directory}/ledger`, 'a')
  const record = (step: StepContext): void => {
    writeSync(ledger, `${step.idempotencyKey}\t${step.attempt}\t${round}\t${Date.now()}\t${step.name}\n`)
  }
  const mended = (id: string): string => `${directory}/mended-${id}`
  const workflows = [
    ...stepWorkflows(record),
    ...waitingWorkflows(record),
    ...endingWorkflows(record, (id) => existsSync(mended(id))),
  ]
  const byName = Object.fromEntries(workflows.map((each) => [each.name, each as Workflow<never, unknown>]))
  return { workflows: workflows as Workflow[], byName, mend: (id) => writeFileSync(mended(id), '') }
}

type Ledger = (step: StepContext) => void

function stepWorkflows(record: Ledger) {
  const chain = workflow({
    name: 'chain',
    run: async (ctx, number: number) => {
      let sum = number
      for (const by of [1, 2, 3, 4, 5]) {
        sum = await ctx.step(`add-${by}`, async (step) => {
          if (by % 2 === 0) await delay(by)
          record(step)
          return sum + by
        })
        ctx.setAttributes({ number, stage: by })
      }
      return sum
    },
  })
  const parallel = workflow({
    name: 'parallel',
    run: async (ctx, number: number) => {
      const first = await Promise.all(
        [0, 1, 2].map((by) =>
          ctx.step(`branch-${by}`, async (step) => {
            await delay(3 - by)
            record(step)
            return number + by
          }),
        ),
      )
      const doubled = await ctx.map(
        MAP_ITEMS,
        (item) =>
          ctx.step('double', (step) => {
            record(step)
            return item * 2
          }),
        { concurrency: 2 },
      )
      return [...first, ...doubled]
    },
  })
  const retry = workflow({
    name: 'retry',
    run: async (ctx) => {
      const quick = (name: string) => ({
        retry: { maxAttempts: MAX_ATTEMPTS[name] ?? 1, initialInterval: 4, maxInterval: 12 },
      })
      const failing = (name: string, error: (message: string) => Error): Promise<string> =>
        ctx
          .step(
            name,
            (step): string => {
              record(step)
              throw error(`attempt ${step.attempt}`)
            },
            quick(name),
          )
          .catch((caught: Error) => caught.message)
      const flaky = await ctx.step(
        'flaky',
        (step) => {
          record(step)
          if (step.attempt < FLAKY_SUCCEEDS_AT) throw new Error('not yet')
          return step.attempt
        },
        quick('flaky'),
      )
      const [hopeless, refused] = await Promise.all([
        failing('hopeless', (message) => new Error(message)),
        failing('refused', (message) => new NonRetryableError(message)),
      ])
      return { flaky, hopeless, refused }
    },
  })
  return [chain, parallel, retry]
}

function waitingWorkflows(record: Ledger) {
  const sleep = workflow({
    name: 'sleep',
    run: async (ctx, number: number) => {
      const before = ctx.now()
      const ms = 5 + (number % 30)
      await ctx.sleep(ms)
      const isLongEnough = ctx.now() - before >= ms
      const winner = await Promise.race([
        ctx.sleep('1h').then(() => 'sleep'),
        ctx.step('quick', (step) => {
          record(step)
          return 'step'
        }),
      ])
      return { isLongEnough, winner }
    },
  })
  const signals = workflow({
    name: 'signals',
    run: async (ctx) => {
      const received: number[] = []
      while (received.length < 3) {
        received.push(await ctx.waitFor(part))
        await ctx.step('note', record)
      }
      const more = await ctx.waitFor(part, { timeout: 10 })
      return { received, missing: more ?? 'none' }
    },
  })
  const adder = workflow({
    name: 'adder',
    run: (ctx, number: number) =>
      ctx.step('ten', (step) => {
        record(step)
        return number + 10
      }),
  })
  const waiter = workflow({
    name: 'waiter',
    run: async (ctx, number: number) => {
      const given = await ctx.waitFor(part as Signal<number>)
      return ctx.step('both', (step) => {
        record(step)
        return given - number
      })
    },
  })
  const children = workflow({
    name: 'children',
    run: async (ctx, number: number) => {
      const waiting = ctx.child(waiter, number)
      const ten = await ctx.child(adder, number)
      await waiting.signal(part, ten + number + 10)
      return ten + (await waiting)
    },
  })
  const rounds = workflow({
    name: 'rounds',
    run: async (ctx, input: { readonly number: number; readonly round: number }) => {
      const number = await ctx.step('next', (step) => {
        record(step)
        return input.number + 1
      })
      if (input.round < ROUNDS) ctx.continueAsNew({ number, round: input.round + 1 })
      return number
    },
  })
  return [sleep, signals, adder, waiter, children, rounds]
}

function endingWorkflows(record: Ledger, isMended: (id: string) => boolean) {
  const updates = workflow({
    name: 'updates',
    run: async (ctx) => {
      let total = 0
      ctx.onUpdate(
        add,
        async (by) => {
          const added = await ctx.step('add', (step) => {
            record(step)
            return by
          })
          total += added
          return total
        },
        {
          validate: (by) => {
            if (by < 0) throw new Error('negative')
          },
        },
      )
      await ctx.waitFor(finish)
      return total
    },
  })
  const cancel = workflow({
    name: 'cancel',
    run: async (ctx) => {
      try {
        await ctx.sleep('1h')
      } catch (error) {
        await ctx.uncancellable((inner) => inner.step('clean', record))
        throw error
      }
    },
  })
  const reopen = workflow({
    name: 'reopen',
    run: async (ctx) => {
      await ctx.step('before', record)
      const { workflowId } = ctx.info
      return ctx.step(
        'brittle',
        (step) => {
          record(step)
          if (!isMended(workflowId)) throw new Error('broken')
          return 'mended'
        },
        { retry: { maxAttempts: 1 } },
      )
    },
  })
  const terminate = workflow({
    name: 'terminate',
    run: async (ctx) => {
      await ctx.step('before', record)
      await ctx.waitFor(finish)
    },
  })
  const timeout = workflow({
    name: 'timeout',
    run: async (ctx) => {
      await ctx.step('before', record)
      await ctx.sleep('1h')
    },
  })
  return [updates, cancel, reopen, terminate, timeout]
}
