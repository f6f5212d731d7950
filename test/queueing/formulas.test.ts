// Mean waits of a simulated queue that is driven by the shipped policies, against the closed formulas. Service has mean 1.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fcfs } from '../../src/core/queue/fcfs.ts'
import type { SchedulingPolicy } from '../../src/core/queue/policy.ts'
import { priority } from '../../src/core/queue/priority.ts'
import { sjf } from '../../src/core/queue/sjf.ts'
import type { Randomness } from '../../src/platform/randomness.ts'
import { type Arrival, meanWaitMs, type QueueSimulation } from './queue-simulation.ts'

const TOLERANCE = 0.02

const exponential = (random: Randomness): number => -Math.log(1 - random())

const plain =
  (service: (random: Randomness) => number) =>
  (random: Randomness): Arrival => {
    const serviceMs = service(random)
    return { name: 'task', serviceMs, estimateMs: serviceMs }
  }

const bimodal = plain((random) => (random() < 0.9 ? 1 : 10))

/** The mean service is 1.9. */
const BIMODAL_RATE = 0.8 / 1.9

interface Case {
  readonly what: string
  readonly policy: () => SchedulingPolicy
  readonly rate: number
  readonly servers?: number
  readonly draw: (random: Randomness) => Arrival
  readonly waitMs: number
}

const noAging = (): SchedulingPolicy => sjf({ aging: 0 })

const CASES: readonly Case[] = [
  { what: 'M/M/1, rho .8', policy: fcfs, rate: 0.8, draw: plain(exponential), waitMs: 4 },
  { what: 'M/D/1, rho .8', policy: fcfs, rate: 0.8, draw: plain(() => 1), waitMs: 2 },
  { what: 'M/M/2', policy: fcfs, rate: 1.6, servers: 2, draw: plain(exponential), waitMs: 1.7778 },
  { what: 'M/M/4', policy: fcfs, rate: 3.2, servers: 4, draw: plain(exponential), waitMs: 0.7455 },
  { what: 'M/M/10', policy: fcfs, rate: 8, servers: 10, draw: plain(exponential), waitMs: 0.2046 },
  { what: 'SJF, rho .5', policy: noAging, rate: 0.5, draw: plain(exponential), waitMs: 0.7127 },
  { what: 'SJF, rho .7', policy: noAging, rate: 0.7, draw: plain(exponential), waitMs: 1.3122 },
  { what: 'SJF, rho .8', policy: noAging, rate: 0.8, draw: plain(exponential), waitMs: 1.8822 },
  { what: 'SJF, rho .9', policy: noAging, rate: 0.9, draw: plain(exponential), waitMs: 3.1969 },
  { what: '90 % of 1, 10 % of 10, FCFS', policy: fcfs, rate: BIMODAL_RATE, draw: bimodal, waitMs: 11.474 },
  { what: '90 % of 1, 10 % of 10, SJF', policy: noAging, rate: BIMODAL_RATE, draw: bimodal, waitMs: 5.173 },
]

function run(
  simulation: Pick<QueueSimulation, 'policy' | 'rate' | 'draw'> & Partial<QueueSimulation>,
): number {
  return meanWaitMs({ servers: 1, tasks: 2_000_000, warmUp: 10_000, seed: 7, ...simulation })
}

describe('mean waits agree with the formulas', () => {
  for (const { what, policy, rate, servers = 1, draw, waitMs } of CASES)
    test(`${what}: ${waitMs}`, () => {
      const measured = run({ policy: policy(), rate, servers, draw })
      assert.ok(Math.abs(measured / waitMs - 1) <= TOLERANCE, `${measured}`)
    })

  test('two priorities, exponential, lambda .3 and .5: 1.1429 and 5.7143', () => {
    const waited = [
      { ms: 0, count: 0 },
      { ms: 0, count: 0 },
    ]
    const draw = (random: Randomness): Arrival => {
      const level = random() < 0.3 / 0.8 ? 9 : 0
      return { name: 'task', priority: level, serviceMs: exponential(random), estimateMs: undefined }
    }
    const policy = priority({ agingMs: Number.POSITIVE_INFINITY })
    run({
      policy,
      rate: 0.8,
      draw,
      onStart: (arrival, waitMs) => {
        const one = waited[arrival.priority === 9 ? 0 : 1]
        if (one !== undefined) {
          one.ms += waitMs
          one.count += 1
        }
      },
    })
    const means = waited.map(({ ms, count }) => ms / count)
    const expected = [1.1429, 5.7143]
    means.forEach((mean, i) => {
      assert.ok(Math.abs(mean / (expected[i] ?? 0) - 1) <= TOLERANCE, `${means}`)
    })
  })
})

describe('what a policy learns', () => {
  test('undeclared, 90 % of 1 ms and 10 % of 10 ms: after 200 tasks the mean wait is at most 0.6 of FCFS', () => {
    const draw = (random: Randomness): Arrival => {
      const isSmall = random() < 0.9
      return { name: isSmall ? 'small' : 'large', serviceMs: isSmall ? 1 : 10, estimateMs: undefined }
    }
    const of = (policy: SchedulingPolicy): number =>
      run({ policy, rate: BIMODAL_RATE, draw, warmUp: 200, tasks: 300_000 })
    const ratio = of(sjf()) / of(fcfs())
    assert.ok(ratio <= 0.6, String(ratio))
  })
})
