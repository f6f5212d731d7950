/** What the cases of the conformance of clients have in common: workflows, tasks, and looks at what comes of them. */
import assert from 'node:assert/strict'
import { type Client, type PerdureError, query, signal, task, update, workflow } from '../../src/client.ts'

export interface Case {
  readonly name: string
  run(client: Client): Promise<void>
}

/** All that a payload may be. */
export const rich = {
  date: new Date(86_400_123),
  big: 2n ** 70n,
  bytes: Uint8Array.from([0, 1, 127, 128, 255]),
  map: new Map<unknown, unknown>([
    ['a', new Set([1, 2n])],
    [new Date(0), undefined],
  ]),
  nothing: undefined,
  text: 'ä€😀',
  $: 'a field of its own',
  $payload: [1, 'json', null, 7],
}

export const go = signal<unknown>('go')
export const total = query<number>('total')
export const broken = query('broken')
export const add = update<number, number>('add')
export const waiting = workflow({
  name: 'waiting',
  run: async (ctx, input: unknown) => {
    let sum = 0
    ctx.onQuery(total, () => sum)
    ctx.onQuery(broken, () => {
      throw new RangeError('out of range')
    })
    ctx.onUpdate(
      add,
      (more) => {
        sum += more
        return sum
      },
      {
        validate: (more) => {
          if (more < 0) throw new TypeError('only more')
        },
      },
    )
    const came = await ctx.waitFor(go)
    return { input, came, sum }
  },
})
export const echo = workflow({ name: 'echo', run: async (_, value: unknown) => value })
export const counting = workflow({
  name: 'counting',
  run: async (ctx, left: number): Promise<string> => (left === 0 ? 'done' : ctx.continueAsNew(left - 1)),
})
/** Those that do not fail any more. */
export const healed = new Set<string>()
export const failing = workflow({
  name: 'failing',
  run: (ctx, id: string) =>
    ctx.step(
      'once',
      () => {
        if (healed.has(id)) return 'healed'
        throw new RangeError('out of range', { cause: new TypeError('deep') })
      },
      { retry: { maxAttempts: 1 } },
    ),
})
export const approving = workflow({
  name: 'approving',
  run: async (ctx) => {
    const { data } = await ctx.humanTask({
      title: 'Check it',
      candidateGroups: ['desk, first floor'],
      requester: 'rita',
      data: rich,
    })
    return data
  },
})
export const square = task({ name: 'square', run: (_, value: number) => value * value })
export const mirror = task({ name: 'mirror', run: (_, value: unknown) => value })
export const breaking = task({
  name: 'breaking',
  retry: { maxAttempts: 1 },
  run: (_, id: string) => {
    if (!healed.has(id)) throw Object.assign(new RangeError('broken'), { code: 'BROKEN' })
    return 'healed'
  },
})
export const paused = task({ name: 'paused', queue: 'paused', run: (_, value: string) => value })

export const workflows = [waiting, echo, counting, failing, approving]
export const tasks = [square, mirror, breaking, paused]

export const refused = (code: string) => (error: unknown) => {
  assert.equal((error as PerdureError).code, code, String(error))
  return true
}

export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 1000; tries++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come')
}
