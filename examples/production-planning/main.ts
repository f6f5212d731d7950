// A shop with two lathes and a mill. Nine orders wait for them when an urgent one comes in.
//
//   npm run example -- production-planning

import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, createWorker } from 'perdure'
import { type Booking, machineQueue, type Order, operateWith, produceOrderWith } from './produce-order.ts'

const hourMs = 20
const shop = { hourMs }
const produceOrder = produceOrderWith(shop)

using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-shop-'))
await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'shop.db')}`,
  workflows: [produceOrder],
  queues: [{ name: machineQueue, policy: 'priority' }],
})
const { url } = await engine.listen()

// A machine makes one piece at a time. In a real shop each would be a process of its own.
await using machines = new AsyncDisposableStack()
for (const [id, kind] of Object.entries({ 'lathe-1': 'lathe', 'lathe-2': 'lathe', 'mill-1': 'mill' })) {
  const tasks = [operateWith(shop, id)]
  machines.use(await createWorker({ url, id, tasks, concurrency: 1, labels: { kind } }))
}

const openedAtMs = Date.now()
const hourOf = (time: Date) => Math.round((time.getTime() - openedAtMs) / hourMs)
const start = (number: number, product: string, dueInHours: number, operations: Order['operations']) =>
  engine.start(
    produceOrder,
    { number, product, dueAt: new Date(Date.now() + dueInHours * hourMs), operations },
    { id: `order-${number}` },
  )

const shaft = [
  { kind: 'lathe', hours: 4 },
  { kind: 'mill', hours: 1 },
]
const waiting = await Promise.all(
  Array.from({ length: 9 }, (_, index) => start(index + 1, 'shaft', 60 + index, shaft)),
)
await pause(6 * hourMs)
const urgent = await start(10, 'spare axle', 8, shaft)
const comesAtHour = hourOf(new Date())
console.log(`Hour ${comesAtHour}: order 10, a spare axle, comes in. It is due in 8 hours, and goes first.`)

const results = await Promise.all([...waiting, urgent].map((execution) => execution.result()))
const bookings = results.flat().toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())

const text = ({ order, startedAt, endedAt }: Booking) =>
  `${hourOf(startedAt)}-${hourOf(endedAt)}: order ${order}`
console.log('\nThe plan, as it was carried out (hours: order)')
for (const [machine, its] of Map.groupBy(bookings, (booking) => booking.machine))
  console.log(`  ${machine.padEnd(8)} ${its.map(text).join(' | ')}`)

const doneAt = (order: number) => results[order - 1]?.at(-1)?.endedAt ?? new Date(0)
const passed = waiting.filter((_, index) => doneAt(index + 1) > doneAt(10)).length
console.log(
  `\nOrder 10 was done at hour ${hourOf(doneAt(10))}, before ${passed} orders that had come before it.`,
)
