/**
 * Makes orders on the machines of a shop. Each operation of an order is a task that requires a kind of machine. The queue of
 * the tasks has the policy `priority`: the less time an order has left, the sooner it gets a machine.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { task, workflow } from 'perdure'

export interface Operation {
  /** Of the machine: `lathe`, `mill`. */
  readonly kind: string
  readonly hours: number
}

export interface Order {
  readonly number: number
  readonly product: string
  readonly dueAt: Date
  /** One after the other. */
  readonly operations: readonly Operation[]
}

/** What one machine did for one order. */
export interface Booking {
  readonly order: number
  readonly machine: string
  readonly startedAt: Date
  readonly endedAt: Date
}

export const machineQueue = 'machines'

/** An hour of the shop. In the example it passes faster. */
export interface ShopTime {
  readonly hourMs: number
}

/** What a machine does; `machine` is its name. */
export function operateWith({ hourMs }: ShopTime, machine: string) {
  return task({
    name: 'operate',
    queue: machineQueue,
    run: async ({ abortSignal }, { order, hours }: Operation & { order: number }): Promise<Booking> => {
      const startedAt = new Date()
      await pause(hours * hourMs, undefined, { signal: abortSignal })
      return { order, machine, startedAt, endedAt: new Date() }
    },
  })
}

const hoursPerLevel = 8

/** 9, the most urgent, if the order is late or will be; one less for each 8 hours that it has to spare. */
export function priorityOf(hoursToSpare: number): number {
  return Math.max(0, Math.min(9, 9 - Math.floor(hoursToSpare / hoursPerLevel)))
}

export function produceOrderWith(shop: ShopTime) {
  // Of this one only the name and the types count: the code that runs is that of the machine.
  const operate = operateWith(shop, 'any machine')
  return workflow({
    name: 'produce-order',
    version: '1',
    run: async (ctx, { number, dueAt, operations }: Order) => {
      const bookings: Booking[] = []
      for (const [index, operation] of operations.entries()) {
        const hoursLeft = (dueAt.getTime() - ctx.now()) / shop.hourMs
        const hoursOfWork = operations.slice(index).reduce((sum, { hours }) => sum + hours, 0)
        bookings.push(
          await ctx.task(
            operate,
            { ...operation, order: number },
            {
              priority: priorityOf(hoursLeft - hoursOfWork),
              requires: { labels: { kind: operation.kind } },
            },
          ),
        )
      }
      return bookings
    },
  })
}
