/** What the benchmark of the peers says: a row for each side, with ratios of Perdure to it, and tables of rows. */
import { median, ratioOf, rounded } from '../result.ts'
import { markdownTable, numberText } from '../workloads/table-workload.ts'
import type { QueueSideName, SideName, WorkflowSideName } from './peer-sides.ts'

export interface WorkflowRound {
  readonly executionsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
}

export interface QueueRound {
  readonly enqueuePerSecond: number
  readonly drainPerSecond: number
}

/** How many times the figure of a peer Perdure has, on each of its stores that took part. */
export type PerdureRatios = { readonly [side in PerdureName]?: number }

type PerdureName = Extract<SideName, `perdure-${string}`>
const PERDURE: readonly PerdureName[] = ['perdure-postgres', 'perdure-sqlite']

export interface WorkflowRow {
  readonly workload: 'peers workflows'
  readonly side: WorkflowSideName
  readonly inFlight: number
  readonly steps: number
  readonly executionsPerSecond: number
  readonly stepsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  /** Executions per second; empty for Perdure itself. */
  readonly perdureRatio: PerdureRatios
  readonly rounds: readonly WorkflowRound[]
}

export interface QueueRow {
  readonly workload: 'peers queue'
  readonly side: QueueSideName
  readonly jobs: number
  readonly enqueuePerSecond: number
  readonly drainPerSecond: number
  readonly perdureRatio: { readonly enqueue: PerdureRatios; readonly drain: PerdureRatios }
  readonly rounds: readonly QueueRound[]
}

/** The rounds of each side that took part to the end. */
export type RoundsOf<Name extends SideName, Round> = ReadonlyMap<Name, readonly Round[]>

export function workflowRows(
  about: Pick<WorkflowRow, 'inFlight' | 'steps'>,
  measured: RoundsOf<WorkflowSideName, WorkflowRound>,
): WorkflowRow[] {
  const rates = medians(measured, ({ executionsPerSecond }) => executionsPerSecond)
  return [...measured].map(([side, rounds]) => {
    const executionsPerSecond = rates.get(side) ?? Number.NaN
    return {
      workload: 'peers workflows',
      side,
      ...about,
      executionsPerSecond,
      stepsPerSecond: rounded(executionsPerSecond * about.steps),
      latencyMs: {
        p50: rounded(median(rounds.map(({ latencyMs }) => latencyMs.p50))),
        p99: rounded(median(rounds.map(({ latencyMs }) => latencyMs.p99))),
      },
      perdureRatio: perdureRatios(side, rates),
      rounds,
    }
  })
}

export function queueRows(jobs: number, measured: RoundsOf<QueueSideName, QueueRound>): QueueRow[] {
  const enqueue = medians(measured, ({ enqueuePerSecond }) => enqueuePerSecond)
  const drain = medians(measured, ({ drainPerSecond }) => drainPerSecond)
  return [...measured].map(([side, rounds]) => ({
    workload: 'peers queue',
    side,
    jobs,
    enqueuePerSecond: enqueue.get(side) ?? Number.NaN,
    drainPerSecond: drain.get(side) ?? Number.NaN,
    perdureRatio: { enqueue: perdureRatios(side, enqueue), drain: perdureRatios(side, drain) },
    rounds,
  }))
}

function medians<Name extends SideName, Round>(
  measured: RoundsOf<Name, Round>,
  figure: (round: Round) => number,
): ReadonlyMap<SideName, number> {
  return new Map([...measured].map(([side, rounds]) => [side, rounded(median(rounds.map(figure)))]))
}

function perdureRatios(side: SideName, rates: ReadonlyMap<SideName, number>): PerdureRatios {
  if (PERDURE.some((name) => name === side)) return {}
  const own = rates.get(side) ?? 0
  const ratios = PERDURE.flatMap((name) => {
    const rate = rates.get(name)
    return rate === undefined ? [] : [[name, ratioOf(rate, own)] as const]
  })
  return Object.fromEntries(ratios)
}

/** Two tables in Markdown; one without rows is left out. */
export function peersTables(workflows: readonly WorkflowRow[], queues: readonly QueueRow[]): string {
  const tables: string[] = []
  if (workflows.length > 0) tables.push(workflowsTable(workflows))
  if (queues.length > 0) tables.push(queuesTable(queues))
  return tables.join('\n\n')
}

function workflowsTable(rows: readonly WorkflowRow[]): string {
  const head = [
    'workflows',
    'in flight',
    'executions/s',
    'steps/s',
    'p50 ms',
    'Perdure on PostgreSQL',
    'on SQLite',
  ]
  return markdownTable(
    head,
    rows.map(({ side, inFlight, executionsPerSecond, stepsPerSecond, latencyMs, perdureRatio }) => [
      side,
      numberText(inFlight),
      shown(executionsPerSecond),
      shown(stepsPerSecond),
      shown(latencyMs.p50),
      ...timesTexts(perdureRatio),
    ]),
  )
}

function queuesTable(rows: readonly QueueRow[]): string {
  const head = [
    'queue',
    'enqueue/s',
    'Perdure on PostgreSQL',
    'on SQLite',
    'drain/s',
    'Perdure on PostgreSQL',
    'on SQLite',
  ]
  return markdownTable(
    head,
    rows.map(({ side, enqueuePerSecond, drainPerSecond, perdureRatio }) => [
      side,
      shown(enqueuePerSecond),
      ...timesTexts(perdureRatio.enqueue),
      shown(drainPerSecond),
      ...timesTexts(perdureRatio.drain),
    ]),
  )
}

/** Three digits: of so few rounds more would be noise. */
function shown(value: number): string {
  return numberText(Number(value.toPrecision(3)))
}

function timesTexts(ratios: PerdureRatios): string[] {
  return PERDURE.map((name) => {
    const ratio = ratios[name]
    return ratio === undefined ? '' : `${numberText(Number(ratio.toPrecision(2)))} x`
  })
}
