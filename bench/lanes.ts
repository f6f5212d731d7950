/** Executions that end one after the other in each of many lanes: on the engine, and bare. */
import { join } from 'node:path'
import { createEngine } from '../src/index.ts'
import { type BareExecution, bareMemory, bareSqlite, runBareLoop } from './bare-loop.ts'
import { FANOUT_STEPS, fanOut, noop, threeSteps, threeTasks } from './bench-workflows.ts'
import { fsyncsOf } from './fsync-count.ts'
import { type Extent, type LoopMeasures, Meter } from './meter.ts'

export type StoreName = 'sqlite' | 'memory'

export interface LanesOrder {
  readonly workflow: 'steps' | 'fanout'
  readonly store: StoreName
  readonly directory: string
  readonly inFlight: number
  readonly extent: Extent
}

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

export async function runEngineLanes(order: EngineLanesOrder): Promise<LoopMeasures> {
  const { store, directory, inFlight } = order
  const { workflow, steps } = ENGINE_WORKFLOWS[order.workflow]
  const file = storeFile(directory)
  await using engine = await createEngine({
    store: store === 'memory' ? 'memory' : `sqlite:${file}`,
    workflows: [workflow],
    tasks: [noop],
    taskConcurrency: inFlight,
  })
  const { counters } = engine
  const meter = new Meter({ ...order, stepsPerExecution: steps }, () => ({
    commits: counters.commits,
    rows: counters.rows + counters.commits,
    fsyncs: store === 'memory' ? 0 : fsyncsOf(file, counters.commits),
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
  await Promise.all(Array.from({ length: inFlight }, lane))
  return meter.measures()
}

export async function runBareLanes(order: LanesOrder): Promise<LoopMeasures> {
  const { store, inFlight } = order
  const { steps, phases } = WORKFLOWS[order.workflow]
  const counts = { commits: 0, rows: 0 }
  const file = storeFile(order.directory)
  const commit = store === 'memory' ? bareMemory() : bareSqlite(file)
  const meter = new Meter({ ...order, stepsPerExecution: steps }, () => ({
    ...counts,
    fsyncs: store === 'memory' ? 0 : fsyncsOf(file, counts.commits),
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
  return meter.measures()
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
