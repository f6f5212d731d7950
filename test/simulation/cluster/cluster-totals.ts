/** Sums over the reports of many seeds of the cluster. */
import { type ClusterCounters, noClusterCounts } from './cluster-plan.ts'
import type { ClusterReport } from './simulate-cluster.ts'

/** Of nodes and network, and those of the database. */
export type AllClusterCounters = ClusterCounters &
  Pick<ClusterReport['counters'], (typeof OF_THE_STORE)[number]>

const OF_THE_STORE = [
  'crashes',
  'crashesInFlight',
  'lateAcks',
  'lostAcks',
  'lostAcksSettled',
  'overtaken',
  'lostCommits',
  'stalls',
  'refusals',
  'failedCommits',
  'commits',
  'stepCalls',
  'acknowledgements',
] as const satisfies readonly (keyof ClusterReport['counters'])[]

export interface ClusterTotals {
  seeds: number
  readonly failed: number[]
  /** Seeds in which a fault hit work in flight. */
  seedsHit: number
  events: number
  simulatedMs: number
  readonly counters: AllClusterCounters
}

export function noClusterTotals(): ClusterTotals {
  const none = Object.fromEntries(OF_THE_STORE.map((name) => [name, 0])) as Pick<
    ClusterReport['counters'],
    (typeof OF_THE_STORE)[number]
  >
  return {
    seeds: 0,
    failed: [],
    seedsHit: 0,
    events: 0,
    simulatedMs: 0,
    counters: { ...noClusterCounts(), ...none },
  }
}

export function addClusterReport(totals: ClusterTotals, report: ClusterReport): void {
  const { counters, cluster } = report
  totals.seeds += 1
  if (report.violations.length > 0) totals.failed.push(report.seed)
  if (counters.crashesInFlight + cluster.inFlight > 0) totals.seedsHit += 1
  totals.events += report.events
  totals.simulatedMs += report.simulatedMs
  for (const name of OF_THE_STORE) totals.counters[name] += counters[name]
  for (const name of Object.keys(cluster) as (keyof ClusterCounters)[]) totals.counters[name] += cluster[name]
}
