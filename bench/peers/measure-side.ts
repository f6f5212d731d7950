/** Measures one side in a process of its own: executions by lanes, or a queue that is filled and drained. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Extent, type LoopMeasures, Meter } from '../meter.ts'
import type {
  Job,
  QueueSide,
  QueueSideName,
  SideName,
  SideOrder,
  WorkflowSideName,
  WorkflowsSide,
  WorkflowsSideOrder,
} from './peer-sides.ts'

export interface PeerWorkflowsOrder extends WorkflowsSideOrder {
  readonly side: WorkflowSideName
  readonly inFlight: number
  readonly extent: Extent
}

export interface PeerQueueOrder extends SideOrder {
  readonly side: QueueSideName
  readonly jobs: number
}

export interface PeerQueueMeasures {
  readonly enqueuePerSecond: number
  readonly drainPerSecond: number
}

const POLL_MS = 2
/** Beside the warm-up of the meter: a Restate server that has just started takes a second to become fast. */
const WARM_UP_SHARE = 0.5
/** Without a single job that runs for so long, the worker is stuck. */
const STALL_MS = 60_000

export async function measurePeerWorkflows(order: PeerWorkflowsOrder): Promise<LoopMeasures> {
  keepOutputForAnswers()
  const { extent, inFlight, steps, side } = order
  const { workflowsSide } = (await import(moduleOf(side))) as {
    workflowsSide: (order: WorkflowsSideOrder) => Promise<WorkflowsSide>
  }
  const { execute, close } = await workflowsSide(order)
  let next = 0
  const executeNext = (): Promise<unknown> => execute(`order-${next++}`)
  const lanes = (lane: () => Promise<void>): Promise<unknown> =>
    Promise.all(Array.from({ length: inFlight }, lane))
  if ('durationMs' in extent) await warmUp(lanes, executeNext, extent.durationMs * WARM_UP_SHARE)
  const meter = new Meter({ ...order, stepsPerExecution: steps }, () => ({ commits: 0, rows: 0, fsyncs: 0 }))
  await lanes(async () => {
    while (meter.isOn) {
      const startedAtMs = performance.now()
      await executeNext()
      meter.finished(performance.now() - startedAtMs)
    }
  })
  await close()
  return meter.measures()
}

/** Each lane at least once. */
async function warmUp(
  lanes: (lane: () => Promise<void>) => Promise<unknown>,
  executeNext: () => Promise<unknown>,
  durationMs: number,
): Promise<void> {
  const endMs = performance.now() + durationMs
  await lanes(async () => {
    do await executeNext()
    while (performance.now() < endMs)
  })
}

export async function measurePeerQueue({ side, jobs, ...order }: PeerQueueOrder): Promise<PeerQueueMeasures> {
  keepOutputForAnswers()
  const { queueSide } = (await import(moduleOf(side))) as {
    queueSide: (order: SideOrder) => Promise<QueueSide>
  }
  const queue = await queueSide(order)
  const enqueuePerSecond = (jobs * 1000) / (await enqueueMs(queue, jobs))
  const drainPerSecond = (jobs * 1000) / (await drainMs(queue, jobs))
  await queue.close()
  return { enqueuePerSecond, drainPerSecond }
}

async function enqueueMs({ batchJobs, callers, enqueue }: QueueSide, count: number): Promise<number> {
  const jobs = Array.from({ length: count }, (_, i): Job => ({ orderId: `order-${i}` }))
  const startMs = performance.now()
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < count) {
      const batch = jobs.slice(next, next + batchJobs)
      next += batchJobs
      await enqueue(batch)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return performance.now() - startMs
}

/** From the first job that runs until no job is left: connecting is not in it, the last commit is. */
async function drainMs({ work, isDrained }: QueueSide, count: number): Promise<number> {
  let firstAtMs = Number.NaN
  let lastAtMs = performance.now()
  let ran = 0
  await work(() => {
    lastAtMs = performance.now()
    if (ran === 0) firstAtMs = lastAtMs
    ran += 1
  })
  while (ran < count || !(await isDrained())) {
    if (performance.now() - lastAtMs > STALL_MS) throw new Error(`no job for long: ${ran} of ${count} ran`)
    await sleep(POLL_MS)
  }
  if (ran > count) throw new Error(`${ran} of ${count} jobs ran`)
  return performance.now() - firstAtMs
}

/** Both stores of Perdure have one module. */
function moduleOf(side: SideName): string {
  const name = side.startsWith('perdure-') ? 'perdure' : side
  return new URL(`${name}-side.ts`, import.meta.url).href
}

/** The parent reads answers from standard output: what a library prints there goes to the error output. */
function keepOutputForAnswers(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr)
}
