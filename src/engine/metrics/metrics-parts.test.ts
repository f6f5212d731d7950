import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ArrivalRate } from './arrival-rate.ts'
import { SeriesTable } from './series-table.ts'
import { QueueTraffic } from './task-metrics.ts'

const near = (value: number, wanted: number, share: number): void =>
  assert.ok(Math.abs(value - wanted) <= share * wanted, `${value} is not about ${wanted}`)

describe('the rate of arrivals', () => {
  test('is that of the last minutes', () => {
    const rate = new ArrivalRate()
    assert.equal(rate.at(1000), 0)
    // 20 a second for ten minutes.
    let nowMs = 1000
    for (; nowMs < 600_000; nowMs += 50) rate.arrived(nowMs)
    near(rate.at(nowMs), 20, 0.01)
    near(rate.at(nowMs + 60_000), 20 / Math.E, 0.01)
    assert.ok(rate.at(nowMs + 3_600_000) < 1e-20)
  })

  test('a clock that is set back changes nothing', () => {
    const rate = new ArrivalRate()
    for (let i = 0; i < 60; i++) rate.arrived(5000)
    assert.equal(rate.at(5000), 1)
    assert.equal(rate.at(1000), 1)
  })
})

describe('the mean service time of a queue', () => {
  test('is exact at first, and follows later', () => {
    const traffic = new QueueTraffic()
    assert.equal(traffic.serviceSeconds, undefined)
    for (const seconds of [1, 2, 3]) traffic.served(seconds)
    near(traffic.serviceSeconds ?? 0, 2, 1e-9)
    for (let i = 0; i < 200; i++) traffic.served(10)
    near(traffic.serviceSeconds ?? 0, 10, 0.01)
  })
})

describe('a table of series', () => {
  test('makes each once, and beyond its bound one for all others', () => {
    const made: string[] = []
    const table = new SeriesTable<[a: string, b: string], string>(2, (...names) => {
      made.push(names.join('/'))
      return names.join('/')
    })
    assert.equal(table.of('a', 'b'), 'a/b')
    assert.equal(table.of('a', 'b'), 'a/b')
    assert.equal(table.of('a', 'c'), 'a/c')
    assert.equal(table.of('b', 'c'), 'other/other')
    assert.equal(table.of('b', 'd'), 'other/other')
    assert.equal(table.of('a', 'c'), 'a/c')
    assert.deepEqual(made, ['a/b', 'a/c', 'other/other'])
  })
})
