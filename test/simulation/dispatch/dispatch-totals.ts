/** Sums over the reports of many seeds of dispatch. */
import { type DispatchCounters, noDispatchCounts } from './dispatch-counters.ts'
import type { DispatchReport } from './simulate-dispatch.ts'

export interface DispatchTotals {
  seeds: number
  readonly failed: number[]
  simulatedMs: number
  readonly counters: DispatchCounters
}

/** What each run must have met, or it has shown nothing. */
export const FAULTS = [
  'lost',
  'duplicated',
  'reordered',
  'late',
  'undelivered',
  'forged',
  'garbage',
  'refused',
  'broken',
  'dark',
  'silent',
  'crashes',
  'killed',
  'freezes',
  'drains',
  'rejected',
  'aborted',
  'timeouts',
  'lostWithWorker',
  'poisoned',
  'startedOver',
] as const satisfies readonly (keyof DispatchCounters)[]

export function noDispatchTotals(): DispatchTotals {
  return { seeds: 0, failed: [], simulatedMs: 0, counters: noDispatchCounts() }
}

export function addDispatchReport(totals: DispatchTotals, report: DispatchReport): void {
  totals.seeds += 1
  if (report.violations.length > 0) totals.failed.push(report.seed)
  totals.simulatedMs += report.simulatedMs
  for (const name of Object.keys(totals.counters) as (keyof DispatchCounters)[])
    totals.counters[name] += report.counters[name]
}
