/** Faults one after the other, sometimes two at a time, while clients work; and what has come of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientEntry } from './client-log.ts'
import type { Verdict } from './cluster-checker.ts'
import type { Fault, FaultOf, Random } from './faults.ts'
import type { Counts, FaultyCluster } from './faulty-cluster.ts'

const WORK_MS = 5000
const LONGEST_TOLD = 3

export interface FaultRecord {
  readonly kind: string
  readonly fromMs: number
  readonly toMs: number
  /** Executions in flight on the nodes that it hit, when it began; of those that know it, commits on their way. */
  readonly inFlight: number
}

export interface Step {
  readonly kind: string
  readonly fault: FaultOf
  /** Happens at the same time, on other nodes. */
  readonly beside?: { readonly kind: string; readonly fault: FaultOf } | undefined
}

/** Makes them happen; then every shard must get an owner again, and the clients further answers. */
export async function runStep(cluster: FaultyCluster, step: Step, random: Random): Promise<FaultRecord[]> {
  const names = [...cluster.nodes.keys()].sort()
  const first = step.fault(cluster, names, random)
  const planned: { readonly kind: string; readonly fault: Fault }[] = [{ kind: step.kind, fault: first }]
  if (step.beside !== undefined) {
    const others = names.filter((name) => first.nodes?.includes(name) !== true)
    const { kind, fault } = step.beside
    planned.push({ kind, fault: fault(cluster, others, random) })
  }
  const hits: number[] = []
  for (const { fault } of planned) hits.push(await workOn(cluster, fault.nodes))
  const records = await Promise.all(
    planned.map(async ({ kind, fault }, index) => {
      const fromMs = Date.now()
      const commits = await fault.inject()
      return { kind, fromMs, toMs: Date.now(), inFlight: commits ?? hits[index] ?? 0 }
    }),
  )
  await cluster.allOwned()
  await cluster.goesOn()
  await sleep(200 + random() * 800)
  return records
}

/** Executions in flight there: it is waited for some. */
async function workOn(cluster: FaultyCluster, nodes: readonly string[] | undefined): Promise<number> {
  const endMs = performance.now() + WORK_MS
  for (;;) {
    const inFlight = await cluster.inFlight(nodes)
    if (inFlight > 0 || performance.now() > endMs) return inFlight
    await sleep(10)
  }
}

export interface KindReport {
  readonly kind: string
  readonly injected: number
  /** Of these, with work in flight. */
  readonly hit: number
  /** During each of them the longest that a call waited for its answer, from the beginning of the fault on, ms. */
  readonly pauseMs: { readonly p50: number; readonly max: number }
}

/** A fault, with those that happened at the same time. */
export interface LongPause {
  readonly kinds: readonly string[]
  readonly lastedMs: number
  readonly pauseMs: number
}

export interface RunReport {
  readonly kinds: readonly KindReport[]
  readonly longest: readonly LongPause[]
  readonly verdict: Verdict
  readonly counts: Counts
}

export function reportOf(
  records: readonly FaultRecord[],
  logs: readonly (readonly ClientEntry[])[],
  verdict: Verdict,
  counts: Counts,
): RunReport {
  const pauses = pausesOf(records, logs)
  const kinds = [...new Set(records.map(({ kind }) => kind))].sort().map((kind): KindReport => {
    const own = records.filter((record) => record.kind === kind)
    const lengths = own.map((record) => pauses.get(record) ?? 0).sort((a, b) => a - b)
    return {
      kind,
      injected: own.length,
      hit: own.filter(({ inFlight }) => inFlight > 0).length,
      pauseMs: { p50: lengths[Math.floor((lengths.length - 1) / 2)] ?? 0, max: lengths.at(-1) ?? 0 },
    }
  })
  const longest = [...pauses]
    .sort(([, a], [, b]) => b - a)
    .slice(0, LONGEST_TOLD)
    .map(([{ fromMs, toMs }, pauseMs]): LongPause => {
      const beside = records.filter((other) => other.fromMs <= toMs && other.toMs >= fromMs)
      return { kinds: beside.map(({ kind }) => kind), lastedMs: toMs - fromMs, pauseMs }
    })
  return { kinds, longest, verdict, counts }
}

/** How long a call waited at most, from the beginning of each fault on, until the next one begins. */
function pausesOf(
  records: readonly FaultRecord[],
  logs: readonly (readonly ClientEntry[])[],
): Map<FaultRecord, number> {
  const pauses = new Map<FaultRecord, number>()
  const ends = new Map(
    records.map((record) => {
      const later = records.filter(({ fromMs }) => fromMs > record.toMs).map(({ fromMs }) => fromMs)
      return [record, Math.min(...later)]
    }),
  )
  for (const entry of logs.flat()) {
    if (entry.kind === 'error' || entry.kind === 'again') continue
    const askedMs = entry.at - entry.tookMs
    for (const record of records) {
      if (askedMs > record.toMs || entry.at < record.fromMs) continue
      const waitedMs = Math.min(entry.at, ends.get(record) ?? entry.at) - Math.max(askedMs, record.fromMs)
      if (waitedMs > (pauses.get(record) ?? 0)) pauses.set(record, waitedMs)
    }
  }
  return pauses
}

export function textOf({ kinds, longest, verdict, counts }: RunReport): string {
  const width = Math.max(...kinds.map(({ kind }) => kind.length))
  const sum = (of: (report: KindReport) => number): number => kinds.reduce((all, each) => all + of(each), 0)
  const lines = kinds.map(
    ({ kind, injected, hit, pauseMs }) =>
      `${kind.padEnd(width)} ${String(injected).padStart(8)} ${String(hit).padStart(8)} ` +
      `${String(pauseMs.p50).padStart(12)} ${String(pauseMs.max).padStart(9)}`,
  )
  return [
    `${'fault'.padEnd(width)} injected      hit pause p50 ms    max ms`,
    ...lines,
    `${sum(({ injected }) => injected)} faults, ${sum(({ hit }) => hit)} of them with work in flight`,
    ...longest.map(
      ({ kinds: beside, lastedMs, pauseMs }) =>
        `a call waited ${pauseMs} ms: ${beside.join(' and ')}, for ${lastedMs} ms`,
    ),
    `${counts.fenced} sessions found themselves fenced, ${counts.fencedBatches} batches were kept out`,
    `${counts.unknownCommits} unknown commits, settled: ${counts.unknownSettledIn} in, ${counts.unknownSettledOut} out`,
    `${verdict.executions} executions, ${verdict.events} events, ${counts.commits} commits`,
    `${verdict.acknowledgements} acknowledgements checked, ${verdict.faults.length} wrong`,
  ].join('\n')
}
