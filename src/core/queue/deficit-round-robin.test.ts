import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DeficitRoundRobin } from './deficit-round-robin.ts'

/** Flows with the lengths of their tasks; serves until nothing waits. */
class Flows {
  readonly order: DeficitRoundRobin
  readonly served: [flow: string, ms: number][] = []
  readonly queues: Map<string, number[]>

  constructor(order: DeficitRoundRobin, queues: Record<string, number[]>) {
    this.order = order
    this.queues = new Map(Object.entries(queues))
  }

  /** The flow of the smallest turn, the first of several. */
  get next(): { flow: string; turn: number } | undefined {
    let best: { flow: string; turn: number } | undefined
    for (const [flow, [head]] of this.queues) {
      if (head === undefined) continue
      const turn = this.order.turn(flow, head)
      if (best === undefined || turn < best.turn) best = { flow, turn }
    }
    return best
  }

  serve(): boolean {
    const { flow } = this.next ?? {}
    if (flow === undefined) return false
    const queue = this.queues.get(flow) ?? []
    const ms = queue.shift() ?? 0
    this.order.charge(flow, ms)
    this.order.settle(flow, ms, ms)
    this.served.push([flow, ms])
    if (queue.length === 0) this.order.emptied(flow)
    return true
  }
}

/** The classical algorithm: visit after visit. */
function classical(quantumMs: number, queues: readonly (readonly number[])[]): [flow: string, ms: number][] {
  const waiting = queues.map((queue) => [...queue])
  const deficits = queues.map(() => 0)
  const served: [string, number][] = []
  while (waiting.some((queue) => queue.length > 0)) {
    waiting.forEach((queue, i) => {
      if (queue.length === 0) return
      let deficit = (deficits[i] ?? 0) + quantumMs
      for (let head = queue[0]; head !== undefined && head <= deficit; head = queue[0]) {
        deficit -= head
        served.push([String(i), head])
        queue.shift()
      }
      deficits[i] = queue.length === 0 ? 0 : deficit
    })
  }
  return served
}

describe('deficit round robin', () => {
  test('serves the vector of algorithms: rounds, and deficits after the first', () => {
    const order = new DeficitRoundRobin({ quantumMs: 500 })
    const flows = new Flows(order, {
      A: [200, 750, 20],
      B: [500, 500],
      C: [600, 100, 200],
      D: [50, 700, 180],
    })
    const firstRound = flows.next?.turn
    while (flows.next?.turn === firstRound) flows.serve()
    assert.deepEqual(flows.served, [
      ['A', 200],
      ['B', 500],
      ['D', 50],
    ])
    const shown: number[] = []
    for (const flow of 'ABCD') shown.push(order.deficitMs(flow))
    assert.deepEqual(shown, [300, 0, 500, 450])
    flows.served.length = 0
    while (flows.serve());
    assert.deepEqual(flows.served, [
      ['A', 750],
      ['A', 20],
      ['B', 500],
      ['C', 600],
      ['C', 100],
      ['C', 200],
      ['D', 700],
      ['D', 180],
    ])
  })

  test('equals the classical algorithm, however long the tasks', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12 })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 900 }),
        fc.array(lengths, { maxLength: 6 }),
        (quantumMs, queues) => {
          const record = Object.fromEntries(queues.map((queue, i) => [String(i), [...queue]]))
          const flows = new Flows(new DeficitRoundRobin({ quantumMs }), record)
          while (flows.serve());
          assert.deepEqual(flows.served, classical(quantumMs, queues))
        },
      ),
    )
  })

  test('divides service by weight within one quantum and one task of each', () => {
    const task = fc.integer({ min: 1, max: 400 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), task), { minLength: 2, maxLength: 5 }),
        (specs) => {
          const quantumMs = 100
          const weightOf = (flow: string): number => specs[Number(flow)]?.[0] ?? 1
          const order = new DeficitRoundRobin({ quantumMs, weightOf })
          const served = specs.map(() => 0)
          const turns = (): number[] => specs.map(([, ms], i) => order.turn(String(i), ms))
          for (let n = 0; n < 2000; n++) {
            const all = turns()
            const i = all.indexOf(Math.min(...all))
            const ms = specs[i]?.[1] ?? 0
            order.charge(String(i), ms)
            order.settle(String(i), ms, ms)
            served[i] = (served[i] ?? 0) + ms
          }
          const share = served.map((ms, i) => ms / weightOf(String(i)))
          const bound = Math.max(...specs.map(([weight, ms]) => quantumMs + ms / weight))
          assert.ok(Math.max(...share) - Math.min(...share) <= 2 * bound, JSON.stringify({ share, bound }))
        },
      ),
    )
  })

  test('an estimate that was too low is paid off later', () => {
    const order = new DeficitRoundRobin({ quantumMs: 100 })
    const servedMs = { long: 0, short: 0 }
    for (let n = 0; n < 3000; n++) {
      const isLong = order.turn('long', 100) < order.turn('short', 100)
      const flow = isLong ? 'long' : 'short'
      order.charge(flow, 100)
      const ms = isLong ? 1700 : 100
      order.settle(flow, 100, ms)
      servedMs[flow] += ms
    }
    assert.ok(Math.abs(servedMs.long / servedMs.short - 1) < 0.05, JSON.stringify(servedMs))
  })

  test('a flow that goes away keeps no credit, and keeps its debt', () => {
    const order = new DeficitRoundRobin({ quantumMs: 100 })
    order.turn('rich', 10)
    order.charge('rich', 10)
    order.emptied('rich')
    assert.equal(order.deficitMs('rich'), 0)
    order.turn('poor', 10)
    order.charge('poor', 10)
    order.emptied('poor')
    order.settle('poor', 10, 510)
    assert.equal(order.turn('poor', 100) - order.turn('new', 100), 5)
  })

  test('rounds that a flow missed because nobody could serve it are lost', () => {
    const order = new DeficitRoundRobin({ quantumMs: 100 })
    order.turn('stuck', 100)
    for (let n = 0; n < 50; n++) {
      order.turn('busy', 100)
      order.charge('busy', 100)
    }
    order.charge('stuck', 100)
    assert.ok(
      order.turn('stuck', 100) >= order.turn('busy', 100),
      'it is served once, and then with the others',
    )
  })

  test('a weight or quantum that makes no sense is refused', () => {
    assert.throws(() => new DeficitRoundRobin({ quantumMs: 0 }), /quantumMs is 0/)
    const order = new DeficitRoundRobin({ quantumMs: 1, weightOf: () => Number.NaN })
    assert.throws(() => order.turn('a', 1), /the weight of 'a' is NaN/)
  })
})
