// Production planning: who gets a machine next, and which machine.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  machineQueue,
  type Operation,
  operateWith,
  priorityOf,
  produceOrderWith,
} from '../../examples/production-planning/produce-order.ts'
import { createEngine, createWorker, type Engine, silentLogger } from '../../src/index.ts'

const hourMs = 5
const shop = { hourMs }
const produceOrder = produceOrderWith(shop)

const open = (folder: string) =>
  createEngine({
    store: `sqlite:${join(folder, 'shop.db')}`,
    workflows: [produceOrder],
    queues: [{ name: machineQueue, policy: 'priority' }],
    logger: silentLogger,
  })

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-shop-'))

async function machine(engine: Engine, id: string, kind: string) {
  const { url } = await engine.listen()
  const tasks = [operateWith(shop, id)]
  return createWorker({ url, id, tasks, concurrency: 1, labels: { kind }, logger: silentLogger })
}

async function order(engine: Engine, number: number, dueInHours: number, operations: readonly Operation[]) {
  const dueAt = new Date(Date.now() + dueInHours * hourMs)
  const input = { number, product: 'shaft', dueAt, operations }
  const execution = await engine.start(produceOrder, input, { id: `order-${number}` })
  while ((await engine.listTasks({ owner: execution.id })).tasks.length === 0)
    await new Promise((wake) => setTimeout(wake, 2))
  return execution
}

const turned: readonly Operation[] = [{ kind: 'lathe', hours: 2 }]
const turnedAndMilled: readonly Operation[] = [...turned, { kind: 'mill', hours: 1 }]

describe('production planning', () => {
  test('an order is the more urgent the less time it has to spare', () => {
    assert.deepEqual([-5, 0, 7, 8, 40, 72, 1000].map(priorityOf), [9, 9, 9, 8, 4, 0, 0])
  })

  test('an urgent order passes those that wait, and they keep their order', async () => {
    using folder = newFolder()
    await using engine = await open(folder.path)
    await engine.queues.pause(machineQueue, 'the shop is closed')
    const orders = []
    for (const number of [1, 2, 3]) orders.push(await order(engine, number, 1000, turned))
    orders.push(await order(engine, 4, 5, turned))
    await using _lathe = await machine(engine, 'lathe-1', 'lathe')
    await engine.queues.resume(machineQueue)
    const bookings = (await Promise.all(orders.map((each) => each.result()))).flat()
    const inTurn = bookings.toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
    assert.deepEqual(
      inTurn.map((booking) => booking.order),
      [4, 1, 2, 3],
    )
  })

  test('each operation goes to a machine of its kind, and waits until there is one', async () => {
    using folder = newFolder()
    await using engine = await open(folder.path)
    await using _lathe = await machine(engine, 'lathe-1', 'lathe')
    const execution = await order(engine, 1, 100, turnedAndMilled)
    const isHeldUp = async () => /no worker .*kind=mill/.test((await execution.explain()).sentence)
    while (!(await isHeldUp())) await new Promise((wake) => setTimeout(wake, 2))
    await using _mill = await machine(engine, 'mill-1', 'mill')
    const bookings = await execution.result()
    assert.deepEqual(
      bookings.map((booking) => booking.machine),
      ['lathe-1', 'mill-1'],
    )
  })

  test('an operation of a machine that breaks down is done on another one', async () => {
    using folder = newFolder()
    await using engine = await open(folder.path)
    const first = await createWorker({
      url: (await engine.listen()).url,
      id: 'lathe-1',
      tasks: [operateWith({ hourMs: 60_000 }, 'lathe-1')],
      labels: { kind: 'lathe' },
      shutdownGrace: '0s',
      logger: silentLogger,
    })
    const execution = await order(engine, 1, 100, turned)
    while (first.running === 0) await new Promise((wake) => setTimeout(wake, 2))
    await first.close()
    await using _second = await machine(engine, 'lathe-2', 'lathe')
    assert.equal((await execution.result())[0]?.machine, 'lathe-2')
  })
})
