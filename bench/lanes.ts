/** Executions that end one after the other in each of many lanes: on the engine, and bare. */
import { join } from 'node:path'
import { createEngine } from '../src/index.ts'
import { PostgresServer } from '../test/postgres/server.ts'
import { type BareCommit, type BareExecution, bareMemory, bareSqlite, runBareLoop } from './bare-loop.ts'
import { barePostgres } from './bare-postgres.ts'
import { FANOUT_STEPS, fanOut, noop, threeSteps, threeTasks } from './bench-workflows.ts'
import { costPerStep, type DatabaseCost, databaseCost } from './database-cost.ts'
import { fsyncsOf } from './fsync-count.ts'
import { type Extent, type LoopMeasures, Meter } from './meter.ts'
import { registerSdk, type TracingKind } from './tracing-sdk.ts'

export type StoreName = 'sqlite' | 'memory' | 'postgres'

export interface LanesOrder {
  readonly workflow: 'steps' | 'fanout'
  readonly store: StoreName
  readonly directory: string
  /** An empty PostgreSQL database to use. Default: a server of its own. */
  readonly database?: string
  readonly inFlight: number
  readonly extent: Extent
  /** The engine observes itself. Default: true. */
  readonly metrics?: boolean
  /** Default: off. */
  readonly tracing?: TracingKind
}

/** Not those of a new server: a checkpoint every few seconds would be most of what is measured. */
export const POSTGRES_SETTINGS = { shared_buffers: '512MB', max_wal_size: '8GB' } as const

const WORKFLOWS = {
  steps: { workflow: threeSteps, steps: 3, phases: [0, 1, 1, 1] },
  // All results in one commit, and the end in one of its own, as the engine has it: the join is a turn of the code.
  fanout: { workflow: fanOut, steps: FANOUT_STEPS, phases: [0, FANOUT_STEPS, 0] },
} as const

/** What only the engine can do. */
const ENGINE_WORKFLOWS = { ...WORKFLOWS, tasks: { workflow: threeTasks, steps: 3 } } as const

export interface EngineLanesOrder extends Omit<LanesOrder, 'workflow'> {
  readonly workflow: keyof typeof ENGINE_WORKFLOWS
}

export function storeFile(directory: string): string {
  return join(directory, 'bench.db')
}

/** A store that is empty, and what to do when it is not needed any more. */
interface LanesStore extends AsyncDisposable {
  readonly url: string
  fsyncs(commits: number): number
  /** What the database has spent so far, where there is a server. */
  cost?(): Promise<DatabaseCost>
}

async function emptyStore(order: Omit<EngineLanesOrder, 'workflow'>): Promise<LanesStore> {
  const { store, directory, database } = order
  const done = async (): Promise<void> => undefined
  if (store === 'memory') return { url: 'memory', fsyncs: () => 0, [Symbol.asyncDispose]: done }
  if (store === 'sqlite') {
    const file = storeFile(directory)
    return {
      url: `sqlite:${file}`,
      fsyncs: (commits) => fsyncsOf(file, commits),
      [Symbol.asyncDispose]: done,
    }
  }
  const fsyncs = (): number => Number.NaN
  if (database !== undefined) return { url: database, fsyncs, [Symbol.asyncDispose]: done }
  const server = await PostgresServer.start({ settings: POSTGRES_SETTINGS })
  return {
    url: server.url(),
    fsyncs,
    cost: () => databaseCost(server),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

export async function runEngineLanes(order: EngineLanesOrder): Promise<LoopMeasures> {
  const { inFlight } = order
  const { workflow, steps } = ENGINE_WORKFLOWS[order.workflow]
  if (order.tracing !== undefined) registerSdk(order.tracing)
  await using store = await emptyStore(order)
  await using engine = await createEngine({
    store: store.url,
    workflows: [workflow],
    tasks: [noop],
    taskConcurrency: inFlight,
    metrics: order.metrics ?? true,
    tracing: order.tracing !== undefined,
  })
  const { counters } = engine
  const meter = new Meter({ ...order, stepsPerExecution: steps }, () => ({
    commits: counters.commits,
    rows: counters.rows + counters.commits,
    fsyncs: store.fsyncs(counters.commits),
  }))
  let next = 0
  const lane = async (): Promise<void> => {
    while (meter.isOn) {
      const id = `order-${next++}`
      const startedAtMs = performance.now()
      const execution = await engine.start(workflow, { orderId: id }, { id })
      await execution.result()
      meter.finished(performance.now() - startedAtMs)
    }
  }
  const before = await store.cost?.()
  await Promise.all(Array.from({ length: inFlight }, lane))
  const after = await store.cost?.()
  if (before === undefined || after === undefined) return meter.measures()
  return { ...meter.measures(), database: costPerStep(before, after, next * steps) }
}

export async function runBareLanes(order: LanesOrder): Promise<LoopMeasures> {
  const { inFlight } = order
  const { steps, phases } = WORKFLOWS[order.workflow]
  const counts = { commits: 0, rows: 0 }
  await using store = await emptyStore(order)
  const { commit, close } = await bareStore(order, store.url)
  const meter = new Meter({ ...order, stepsPerExecution: steps }, () => ({
    ...counts,
    fsyncs: store.fsyncs(counts.commits),
  }))
  const next = bareExecutions()
  await runBareLoop({
    commit,
    program: { workflow: order.workflow, steps: phases },
    counts,
    lanes: Array.from({ length: inFlight }, next),
    goOn: (execution) => {
      if (execution.phase < phases.length) return execution
      meter.finished(performance.now() - execution.startedAtMs)
      return meter.isOn ? next() : undefined
    },
  })
  await close()
  return meter.measures()
}

async function bareStore(
  { store, directory }: LanesOrder,
  url: string,
): Promise<{ commit: BareCommit; close: () => Promise<void> }> {
  const close = async (): Promise<void> => undefined
  if (store === 'postgres') return barePostgres(url)
  return { commit: store === 'memory' ? bareMemory() : bareSqlite(storeFile(directory)), close }
}

/** Run ids of the length and order of the engine's. */
export function bareExecutions(): () => BareExecution {
  let next = 0
  return () => {
    const id = next++
    const runId = `01M7YENP34${id.toString(32).toUpperCase().padStart(16, '0')}`
    return { runId, workflowId: `order-${id}`, startedAtMs: performance.now(), phase: 0, seq: 1 }
  }
}
