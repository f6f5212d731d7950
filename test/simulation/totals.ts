/** Sums over the reports of many seeds. */
import type { SimulationReport } from './simulate.ts'
import type { Counters } from './world.ts'

export interface Totals {
  seeds: number
  failed: number[]
  /** Seeds in which a crash hit work in flight. */
  seedsHit: number
  events: number
  faults: number
  fewestPerSeed: number
  simulatedMs: number
  tasks: number
  readonly counters: { -readonly [K in keyof Counters]: number }
}

export function noTotals(): Totals {
  return {
    seeds: 0,
    failed: [],
    seedsHit: 0,
    events: 0,
    faults: 0,
    fewestPerSeed: Number.POSITIVE_INFINITY,
    simulatedMs: 0,
    tasks: 0,
    counters: {} as Totals['counters'],
  }
}

export function addReport(totals: Totals, report: SimulationReport): void {
  const { counters, events, faults } = report
  totals.seeds += 1
  if (report.violations.length > 0) totals.failed.push(report.seed)
  if (counters.crashesInFlight > 0) totals.seedsHit += 1
  totals.events += events
  totals.faults += faults
  totals.fewestPerSeed = Math.min(totals.fewestPerSeed, events + faults)
  totals.simulatedMs += report.simulatedMs
  totals.tasks += report.tasks
  for (const name of Object.keys(counters) as (keyof Counters)[])
    totals.counters[name] = (totals.counters[name] ?? 0) + counters[name]
}
