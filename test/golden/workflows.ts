/**
 * The code of the golden journals. It is frozen with them: a change here is a change of workflows that are running
 * somewhere, and the journals say whether it may be made.
 */
import { query, signal, update, type Workflow, workflow } from '../../src/sdk/definition.ts'
import { task } from '../../src/sdk/tasks/task.ts'

export const APPROVED = signal<{ by: string }>('approved')
export const ITEM = signal<number>('item')
export const ADD = update<number, number>('add')
export const TOTAL = query<number>('total')

const nothing = (): void => {}

export const fulfilOrder = workflow({
  name: 'fulfil-order',
  run: async (ctx, order: { id: string }) => {
    const payment = await ctx.step('charge', nothing, { retry: { maxAttempts: 3 } })
    const decision = await ctx.waitFor(APPROVED, { timeout: '1d' })
    const [label, invoice] = await Promise.all([ctx.step('label', nothing), ctx.step('invoice', nothing)])
    await ctx.sleep('2h')
    return { id: order.id, payment, decision, label, invoice }
  },
})

export const collect = workflow({
  name: 'collect',
  run: async (ctx, count: number) => {
    const items: number[] = []
    while (items.length < count) items.push(await ctx.waitFor(ITEM))
    return items
  },
})

export const shipOrder = workflow({
  name: 'ship-order',
  run: async (ctx) => {
    const child = ctx.child(collect, 1, { executionTimeout: '1h' })
    await child.signal(ITEM, 7)
    const spare = ctx.child(collect, 2, { id: 'spare', parentClosePolicy: 'abandon' })
    try {
      return { items: await child, spare: await spare }
    } catch (error) {
      await ctx.step('refund', nothing)
      return { refunded: (error as Error).name }
    }
  },
})

export const guarded = workflow({
  name: 'guarded',
  run: async (ctx) => {
    const child = ctx.child(collect, 1)
    await child.signal(ITEM, 7)
    await ctx.step('check', nothing)
    return child
  },
})

export const account = workflow({
  name: 'account',
  run: async (ctx) => {
    let total = 0
    ctx.onQuery(TOTAL, () => total)
    ctx.onUpdate(ADD, async (amount) => {
      if (amount < 0) throw new RangeError('no negative amounts')
      await ctx.step('book', nothing)
      total += amount
      return total
    })
    await ctx.waitFor(APPROVED)
    return total
  },
})

export const changed = workflow({
  name: 'changed',
  version: '2',
  run: async (ctx) => {
    ctx.setAttributes({ region: 'north', size: 3, urgent: true, note: null })
    const isNew = ctx.patched('double-check')
    if (isNew) await ctx.step('check', nothing)
    ctx.setAttributes({ size: 4 })
    await ctx.waitFor(APPROVED)
    return isNew
  },
})

export const booking = workflow({
  name: 'booking',
  run: async (ctx) => {
    await ctx.step('book', nothing)
    try {
      await ctx.sleep('30d')
      return 'kept'
    } catch (error) {
      await ctx.uncancellable((cleanUp) => cleanUp.step('unbook', nothing))
      throw error
    }
  },
})

export const fragile = workflow({
  name: 'fragile',
  run: async (ctx) => {
    const first = await ctx.step('first', nothing)
    const second = await ctx.step('second', nothing, { retry: { maxAttempts: 2, backoff: 'decorrelated' } })
    return [first, second]
  },
})

export const fastest = workflow({
  name: 'fastest',
  run: async (ctx) => {
    const scope = ctx.scope(async (inner) => {
      await inner.step('slow', nothing)
      return 'slow'
    })
    const winner = await Promise.race([scope, ctx.sleep('5s').then(() => 'time is up')])
    scope.cancel()
    await scope.catch(nothing)
    const settled = await Promise.allSettled([ctx.step('a', nothing), ctx.step('b', nothing)])
    const any = await Promise.any([ctx.step('c', nothing), ctx.step('d', nothing)])
    const mapped = await ctx.map([1, 2, 3], (n) => ctx.step(`map-${n}`, nothing), { concurrency: 2 })
    return { winner, settled: settled.map(({ status }) => status), any, mapped }
  },
})

export const pages = workflow({
  name: 'pages',
  run: async (ctx, page: number) => {
    await ctx.step(`page-${page}`, nothing)
    await ctx.waitFor(ITEM)
    return ctx.continueAsNew(page + 1)
  },
})

export const lottery = workflow({
  name: 'lottery',
  run: async (ctx) => {
    const number = Math.floor(ctx.random() * 1_000_000)
    await ctx.step(`draw-${number}`, nothing)
    await ctx.step(`ticket-${ctx.uuid()}`, nothing)
    return { number, drawnAt: ctx.now() }
  },
})

const scan = task({ name: 'scan', run: nothing })
const resize = task({ name: 'resize', queue: 'images', run: nothing })

export const upload = workflow({
  name: 'upload',
  run: async (ctx, file: string) => {
    const verdict = await ctx.task(scan, file, { priority: 7, key: 'tenant-1' })
    const sizes = await Promise.all([ctx.task(resize, 1), ctx.task(resize, 2), ctx.step('index', nothing)])
    return { verdict, sizes }
  },
})

export const expense = workflow({
  name: 'expense',
  run: async (ctx, amount: number) => {
    const entered = await ctx.humanTask({
      name: 'enter',
      title: 'Enter the receipt',
      form: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] },
      data: { amount },
      candidateUsers: ['ann'],
      candidateGroups: ['staff'],
      dueIn: '1d',
      escalate: { after: '2h', users: ['mia'], priority: 8, release: true },
    })
    const approval = await ctx.approval({
      name: 'approve',
      title: 'Approve the expense',
      approvers: ['bob', { groups: ['staff'] }, 'cid'],
      order: 'sequence',
      rule: { ratio: 0.6 },
      requester: 'ann',
      managers: { groups: ['office'] },
      fourEyes: 'enter',
      dueIn: '7d',
      onDue: 'expire',
    })
    return { entered: entered.by, approved: approval.approved }
  },
})

export const reviewed = workflow({
  name: 'reviewed',
  run: async (ctx) => {
    const scope = ctx.scope((inner) => inner.humanTask({ title: 'Look at it', assignee: 'ann' }))
    await ctx.sleep('1h')
    scope.cancel('too late')
    return ctx.step('go on', nothing)
  },
})

export const GOLDEN_WORKFLOWS: readonly Workflow[] = [
  fulfilOrder,
  collect,
  shipOrder,
  guarded,
  account,
  changed,
  booking,
  fragile,
  fastest,
  pages,
  lottery,
  upload,
  expense,
  reviewed,
]
