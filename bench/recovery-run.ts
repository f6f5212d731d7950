/** Executions in flight when their process is killed, and the process that finishes them. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createEngine, workflow } from '../src/index.ts'
import { type BareExecution, bareSqlite, runBareLoop } from './bare-loop.ts'
import type { Order } from './bench-workflows.ts'
import { fsyncsOf } from './fsync-count.ts'
import { storeFile } from './lanes.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoopMeasures, StoreCounts } from './meter.ts'
import type { Say } from './say.ts'

export interface RecoveryOrder {
  readonly directory: string
  readonly inFlight: number
}

export const RECOVERY_STEPS = 3
const STEP_MS = 50
const BUSY_MS_MIN = 400
/** The kill comes at some moment of a step. */
const BUSY_MS_SPREAD = 3 * STEP_MS

/** The log of a process: `A id` for an acknowledged start, `S id operation` for a step function that was called. */
export function logFile(directory: string, process: 'killed' | 'restarted'): string {
  return join(directory, `${process}.log`)
}

/** Ids of the executions that were open at the kill, a JSON array. */
export function openIdsFile(directory: string): string {
  return join(directory, 'open-ids.json')
}

function slowSteps(log: number) {
  return workflow({
    name: 'slow-steps',
    version: '1',
    run: async (ctx, { orderId }: Order) => {
      for (let op = 1; op <= RECOVERY_STEPS; op++) {
        await ctx.step('step', async () => {
          writeSync(log, `S ${orderId} ${op}\n`)
          await waitMs(STEP_MS)
          return { ok: true }
        })
      }
      return { done: true }
    },
  })
}

/** Keeps lanes of three slow steps busy, says so, and goes on until it is killed. */
export async function workUntilKilled({ directory, inFlight }: RecoveryOrder, say: Say): Promise<never> {
  const log = openSync(logFile(directory, 'killed'), 'a')
  const slow = slowSteps(log)
  const engine = await createEngine({ store: `sqlite:${storeFile(directory)}`, workflows: [slow] })
  let next = 0
  const lane = async (): Promise<never> => {
    for (;;) {
      const id = `order-${next++}`
      const execution = await engine.start(slow, { orderId: id }, { id })
      writeSync(log, `A ${id}\n`)
      await execution.result()
    }
  }
  const lanes = Array.from({ length: inFlight }, lane)
  await waitMs(BUSY_MS_MIN + Math.random() * BUSY_MS_SPREAD)
  say('busy')
  return Promise.race(lanes)
}

/** Finishes what the killed process has left. Latencies are counted from the start of this process. */
export async function finishOnEngine({ directory }: RecoveryOrder, say: Say): Promise<LoopMeasures> {
  const file = storeFile(directory)
  const log = openSync(logFile(directory, 'restarted'), 'a')
  const slow = slowSteps(log)
  const engine = await createEngine({ store: `sqlite:${file}`, workflows: [slow] })
  const ids = JSON.parse(readFileSync(openIdsFile(directory), 'utf8')) as string[]
  const latency = new LatencyHistogram()
  const finish = async (id: string): Promise<void> => {
    await engine.execution(slow, id).result()
    latency.record(performance.now())
  }
  await Promise.all(ids.map(finish))
  say('finished')
  const { commits, rows } = engine.counters
  const measures = measuresOf(latency, { commits, rows: rows + commits, fsyncs: fsyncsOf(file, commits) })
  await engine.close()
  closeSync(log)
  return measures
}

/** The same, bare, on a copy of the file. */
export async function finishBare({ directory }: RecoveryOrder, say: Say): Promise<LoopMeasures> {
  const file = storeFile(directory)
  const commit = bareSqlite(file)
  const database = new DatabaseSync(file, { readOnly: true })
  const rows = database
    .prepare(
      `select run_id, workflow_id, max(seq + count - 1) as last from execution join journal using (day, run_id)
      where status = 'running' group by run_id, workflow_id`,
    )
    .all()
  const lanes = rows.map((row): BareExecution => {
    const { run_id: runId, workflow_id: workflowId, last } = row
    // The start is event 1 and phase 0, and so on.
    return {
      runId: String(runId),
      workflowId: String(workflowId),
      startedAtMs: 0,
      phase: Number(last),
      seq: Number(last) + 1,
    }
  })
  const written = Number(database.prepare('select max(seq) as last from "commit"').get()?.last)
  const counts = { commits: written, rows: 0 }
  const latency = new LatencyHistogram()
  const phases = [0, ...Array<number>(RECOVERY_STEPS).fill(1)]
  await runBareLoop({
    commit,
    program: { workflow: 'slow-steps', steps: phases },
    counts,
    lanes,
    stepMs: STEP_MS,
    goOn: (execution) => {
      if (execution.phase < phases.length) return execution
      latency.record(performance.now())
      return undefined
    },
  })
  say('finished')
  const commits = counts.commits - written
  return measuresOf(latency, { commits, rows: counts.rows, fsyncs: fsyncsOf(file, commits) })
}

/** Rates are for the parent to say: it knows when the process was started. */
function measuresOf(latency: LatencyHistogram, total: StoreCounts): LoopMeasures {
  const { count } = latency
  const per = (sum: number): number => (count === 0 ? 0 : sum / count)
  return {
    executions: count,
    executionsPerSecond: 0,
    stepsPerSecond: 0,
    latencyMs: { p50: latency.quantileMs(0.5), p99: latency.quantileMs(0.99) },
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
    perExecution: { commits: per(total.commits), rows: per(total.rows), fsyncs: per(total.fsyncs) },
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
