// Order fulfilment: what happens to an order, and that nothing of it happens twice.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  approval,
  fulfilOrderWith,
  type Rules,
  type Services,
  stage,
} from '../../examples/order-fulfilment/fulfil-order.ts'
import { createEngine, silentLogger } from '../../src/index.ts'

const order = { number: 7, customer: 'ada@example.com', amountCents: 5_000 }
const largeOrder = { ...order, amountCents: 500_000 }
const rules: Rules = { approvalFromCents: 100_000, approvalTimeout: '1h' }

class CardDeclinedError extends Error {
  override readonly name = 'CardDeclinedError'
}

/** Services that write down what was asked of them. */
function recordingServices(calls: string[], overrides: Partial<Services> = {}): Services {
  const record = async (call: string): Promise<string> => {
    calls.push(call)
    return call
  }
  return {
    charge: () => record('charge'),
    refund: async (paymentId) => void (await record(`refund ${paymentId}`)),
    printLabel: () => record('label'),
    sendInvoice: () => record('invoice'),
    ...overrides,
  }
}

async function open(
  folder: string,
  calls: string[],
  overrides: Partial<Services> = {},
  own: Partial<Rules> = {},
) {
  const fulfilOrder = fulfilOrderWith(recordingServices(calls, overrides), { ...rules, ...own })
  const store = `sqlite:${join(folder, 'orders.db')}`
  return {
    fulfilOrder,
    engine: await createEngine({ store, workflows: [fulfilOrder], logger: silentLogger }),
  }
}

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-orders-'))

async function reaches(wanted: string, read: () => Promise<string>): Promise<void> {
  while ((await read()) !== wanted) await new Promise((wake) => setTimeout(wake, 5))
}

describe('order fulfilment', () => {
  test('ships a small order without asking', async () => {
    using folder = newFolder()
    const calls: string[] = []
    const { fulfilOrder, engine } = await open(folder.path, calls)
    await using _engine = engine
    const execution = await engine.start(fulfilOrder, order, { id: 'order-7' })
    assert.deepEqual(await execution.result(), {
      status: 'shipped',
      paymentId: 'charge',
      label: 'label',
      invoice: 'invoice',
    })
    assert.deepEqual(calls.toSorted(), ['charge', 'invoice', 'label'])
  })

  test('ships a large order when it is approved, also after a restart in between', async () => {
    using folder = newFolder()
    const calls: string[] = []
    {
      const { fulfilOrder, engine } = await open(folder.path, calls)
      await using _engine = engine
      const execution = await engine.start(fulfilOrder, largeOrder, { id: 'order-7' })
      await reaches('waiting for approval', () => execution.query(stage))
    }
    const { fulfilOrder, engine } = await open(folder.path, calls)
    await using _engine = engine
    const execution = engine.execution(fulfilOrder, 'order-7')
    assert.equal(await execution.query(stage), 'waiting for approval')
    await execution.signal(approval, { approved: true, by: 'grace' })
    assert.equal((await execution.result()).status, 'shipped')
    assert.deepEqual(calls.toSorted(), ['charge', 'invoice', 'label'])
  })

  test('refunds a large order that is refused', async () => {
    using folder = newFolder()
    const calls: string[] = []
    const { fulfilOrder, engine } = await open(folder.path, calls)
    await using _engine = engine
    const execution = await engine.start(fulfilOrder, largeOrder)
    await execution.signal(approval, { approved: false, by: 'grace' })
    assert.deepEqual(await execution.result(), { status: 'refused', paymentId: 'charge' })
    assert.deepEqual(calls, ['charge', 'refund charge'])
  })

  test('refunds a large order that nobody approves in time', async () => {
    using folder = newFolder()
    const calls: string[] = []
    const { fulfilOrder, engine } = await open(folder.path, calls, {}, { approvalTimeout: '20ms' })
    await using _engine = engine
    const execution = await engine.start(fulfilOrder, largeOrder)
    assert.deepEqual(await execution.result(), { status: 'expired', paymentId: 'charge' })
    assert.deepEqual(calls, ['charge', 'refund charge'])
  })

  test('does not try a declined card again', async () => {
    using folder = newFolder()
    let attempts = 0
    const charge = async (): Promise<string> => {
      attempts += 1
      throw new CardDeclinedError('no cover')
    }
    const { fulfilOrder, engine } = await open(folder.path, [], { charge })
    await using _engine = engine
    const execution = await engine.start(fulfilOrder, order)
    await assert.rejects(execution.result(), (error: Error) => {
      assert.equal((error.cause as Error).name, 'CardDeclinedError')
      return true
    })
    assert.equal(attempts, 1)
  })

  test('tries again when the payment provider fails, under the same key', async () => {
    using folder = newFolder()
    const keys: string[] = []
    const charge = async (_order: unknown, key: string): Promise<string> => {
      keys.push(key)
      if (keys.length < 3) throw new Error('connection reset')
      return 'payment'
    }
    const { fulfilOrder, engine } = await open(folder.path, [], { charge })
    await using _engine = engine
    const execution = await engine.start(fulfilOrder, order)
    assert.equal((await execution.result()).paymentId, 'payment')
    assert.equal(keys.length, 3)
    assert.equal(new Set(keys).size, 1)
  })

  test('refuses an order that is none before anything happens', async () => {
    using folder = newFolder()
    const { fulfilOrder, engine } = await open(folder.path, [])
    await using _engine = engine
    await assert.rejects(engine.start(fulfilOrder, { ...order, amountCents: -1 }), { code: 'INPUT_INVALID' })
    assert.deepEqual((await engine.list()).executions, [])
  })
})
