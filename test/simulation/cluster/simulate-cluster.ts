/**
 * One simulated run of a cluster: three to five nodes, each the shipped engine with its part in the cluster, over one
 * database, one network and one time. Clients ask any of them. Then the faults stop, all work must end, and all is judged.
 */
import { Calls } from '../calls.ts'
import { check } from '../checker.ts'
import { drain, factsOf, faultCount, runUntil, type SimulationReport, work } from '../simulate.ts'
import { Workload } from '../workload.ts'
import { START_MS } from '../world.ts'
import { ClusterLife } from './cluster-life.ts'
import type { ClusterCounters } from './cluster-plan.ts'
import { ClusterWorld } from './cluster-world.ts'
import { RegistryClient } from './registry-client.ts'

/** Journal events and faults of a seed, at least. */
export const CLUSTER_EVENTS_PER_SEED = 2000
const REST_LIMIT_MS = 3_600_000

export interface ClusterReport extends SimulationReport {
  readonly cluster: ClusterCounters
}

export interface ClusterOptions {
  readonly events?: number
  readonly print?: (line: string) => void
  /** Until the faults stop the coordinator of each node says what is not so. Default false. */
  readonly isLying?: boolean
  /** A fail-over of the database loses what was acknowledged last, which the checker has to find. Default false. */
  readonly isAsynchronous?: boolean
}

export async function simulateCluster(seed: number, options: ClusterOptions = {}): Promise<ClusterReport> {
  const world = new ClusterWorld(seed, options)
  const { base } = world
  const life = new ClusterLife(world)
  const calls = new Calls(base, () => life.someNode)
  const workload = new Workload(base, calls)
  life.begin(calls)
  const registry = options.isAsynchronous === true ? undefined : new RegistryClient(base, calls)
  const changing = registry?.run(() => !base.isFaulty)
  const goal = options.events ?? CLUSTER_EVENTS_PER_SEED
  await work(base, life, calls, workload, () => base.durable.events + faultCount(base) >= goal)
  base.isFaulty = false
  base.note('faults stop')
  life.heal()
  if (changing !== undefined) await runUntil(base, life, changing, REST_LIMIT_MS, 'the end of the changes')
  await runUntil(base, life, life.rest(calls), REST_LIMIT_MS, 'rest')
  registry?.check(life.processes)
  await drain(base, life, workload)
  await runUntil(base, life, life.finish(calls), REST_LIMIT_MS, 'the end of the nodes')
  const violations = [...base.faults, ...(await check(factsOf(base))), ...leftovers(world)]
  for (const violation of violations) base.note(violation)
  return {
    seed,
    violations,
    hash: base.trace.hash,
    events: base.durable.events,
    faults: faultCount(base),
    tasks: base.scheduler.tasks,
    simulatedMs: base.nowMs - START_MS,
    counters: base.counters,
    crashesBySite: base.crashesBySite,
    cluster: world.counters,
  }
}

/** Beside what each run has left. */
function leftovers({ base: { state, durable } }: ClusterWorld): string[] {
  const { faults, endedTwice } = durable.tasks
  return [
    ...faults,
    ...endedTwice.map(({ id, text }) => `task ${id} ${text}`),
    ...state.tasks.list({ limit: 1e9 }).map(({ seq, status }) => `I14: task ${seq} is ${status} in the end`),
  ]
}
