/**
 * Which faults a seed injects, how often, and how the engine is configured.
 *
 * Swarm testing: each kind of fault is on in some seeds and off in others, at a rate drawn for the seed, so that rare
 * combinations occur and no fault hides another.
 */
import { type Randomness, seededRandomness, seedOf } from '../../src/platform/randomness.ts'

export const CRASH_SITES = [
  'between-tasks',
  'in-code',
  'commit-sent',
  'commit-applied',
  'commit-acknowledged',
  'before-step',
  'after-step-effect',
  'before-answer',
  'read-sent',
] as const

export type CrashSite = (typeof CRASH_SITES)[number]

export type CommitFate =
  | 'normal'
  /** Acknowledged seconds later. */
  | 'late'
  /** Applied; the acknowledgement is lost. */
  | 'lost-ack'
  /** Its answer is lost before it is applied; it still arrives later. */
  | 'overtaken'
  /** Never arrives. */
  | 'lost'
  /** Applied, or not, and the disk says no: fail-stop. */
  | 'failed-in'
  | 'failed-out'
  | 'refused'

export interface FaultRates {
  readonly crash: Readonly<Record<CrashSite, number>>
  readonly late: number
  readonly lostAck: number
  readonly overtaken: number
  readonly lost: number
  readonly failed: number
  readonly refused: number
  readonly stall: number
  readonly readStall: number
  readonly fenced: number
  readonly settleError: number
  readonly close: number
}

export interface EngineConfiguration {
  readonly idleExecutions: number
  readonly timerLookaheadMs: number
  readonly timerPageRows: number
}

export interface FaultPlan {
  readonly rates: FaultRates
  readonly engine: EngineConfiguration
  /** Upper bound of the delay of a store call, each way. */
  readonly latencyMs: number
  /** Share of store calls that answer at once, in a microtask, as the memory store does. */
  readonly immediateShare: number
  /** Replies that are due are given together, in one macrotask. */
  readonly groupReplies: boolean
  readonly tickShare: number
  /** Clocks of later instances differ by up to this. */
  readonly skewMs: number
  /** How late a timer may fire while all is well: timers come in pages, and executions are read one by one. */
  readonly latenessMs: number
  readonly clients: number
  readonly thinkMs: number
}

/** Timers that are due at once, at most, after the engine was away. */
const BACKLOG_ROWS = 200

/** Macrotasks, code calls and so on happen this much more often than commits: their rates are lower. */
const SITE_WEIGHT: Readonly<Record<CrashSite, number>> = {
  'between-tasks': 0.05,
  'in-code': 0.3,
  'commit-sent': 1,
  'commit-applied': 1,
  'commit-acknowledged': 1,
  'before-step': 1,
  'after-step-effect': 1,
  'before-answer': 1,
  'read-sent': 0.3,
}

export function randomFor(seed: number, concern: string): Randomness {
  return seededRandomness(seedOf(`${concern}/${seed}`))
}

export function faultPlan(seed: number): FaultPlan {
  const random = randomFor(seed, 'plan')
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const rate = (share: number, most: number): number => (random() < share ? random() * most : 0)
  const crashScale = random() < 0.97 ? 0.0005 + random() * 0.0065 : 0
  const crash = {} as Record<CrashSite, number>
  for (const site of CRASH_SITES) crash[site] = random() < 0.6 ? crashScale * SITE_WEIGHT[site] : 0
  crash['commit-applied'] ||= crashScale / 2
  const timerPageRows = pick([1, 2, 3, 10, 100])
  const latencyMs = pick([0, 1, 2, 5, 20])
  return {
    rates: {
      crash,
      late: rate(0.5, 0.02),
      lostAck: rate(0.6, 0.015),
      overtaken: rate(0.6, 0.015),
      lost: rate(0.4, 0.01),
      failed: rate(0.3, 0.004),
      refused: rate(0.25, 0.005),
      stall: rate(0.5, 0.01),
      readStall: rate(0.3, 0.01),
      fenced: rate(0.4, 0.006),
      settleError: rate(0.3, 0.3),
      close: rate(0.4, 0.015),
    },
    engine: {
      idleExecutions: pick([1, 2, 3, 5, 10, 30, 100]),
      timerLookaheadMs: pick([20, 100, 500, 2000]),
      timerPageRows,
    },
    latencyMs,
    latenessMs: 1000 + Math.ceil((2 * (latencyMs + 1) * BACKLOG_ROWS) / timerPageRows),
    immediateShare: pick([0, 0, 0.2, 0.9]),
    groupReplies: random() < 0.4,
    tickShare: pick([0.005, 0.02, 0.2]),
    skewMs: pick([0, 0, 0, 10, 3000]),
    clients: 2 + Math.floor(random() * 8),
    thinkMs: pick([5, 50, 200]),
  }
}
