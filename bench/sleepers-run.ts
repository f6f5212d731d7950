/** Executions that sleep: how fast they start, what they cost in memory, how late they wake. */
import { createEngine, workflow } from '../src/index.ts'
import { bareSqlite, runBareLoop } from './bare-loop.ts'
import { fsyncsOf } from './fsync-count.ts'
import { bareExecutions, storeFile } from './lanes.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { type LoopMeasures, Meter } from './meter.ts'
import type { Say } from './say.ts'
import { type Memory, settledMemory } from './settled-memory.ts'

export interface SleepersOrder {
  readonly directory: string
  readonly inFlight: number
  /** About so many start. */
  readonly executions: number
  /** Ids of executions begin with it: several groups share a file. */
  readonly group: string
}

export interface Lateness {
  readonly due: number
  readonly fired: number
  /** From the due time to the first step after it, which the commit of the timer has to precede. */
  readonly latenessMs: { readonly p50: number; readonly p99: number }
  readonly peakRssMiB: number
}

interface Sleeper {
  readonly orderId: string
  readonly dueAt: number
}

const MONTH_MS = 30 * 86_400_000
/** The timer that has to fire after the restart. */
const ALARM_ID = 'alarm'
const ALARM_MS = 500
const DUE_SPAN_MS = 1000
const FIRE_LIMIT_MS = 300_000

function sleeperWorkflow(onAwake: (dueAt: number) => void) {
  return workflow({
    name: 'sleepers',
    version: '1',
    run: async (ctx, { dueAt }: Sleeper) => {
      await ctx.sleepUntil(dueAt)
      await ctx.step('awake', () => onAwake(dueAt))
    },
  })
}

type SleepingEngine = Awaited<ReturnType<typeof openEngine>>

async function openEngine(directory: string, onAwake: (dueAt: number) => void = () => {}) {
  const sleeper = sleeperWorkflow(onAwake)
  const engine = await createEngine({ store: `sqlite:${storeFile(directory)}`, workflows: [sleeper] })
  const start = (id: string, dueAt: number) => engine.start(sleeper, { orderId: id, dueAt }, { id })
  return { engine, sleeper, start }
}

/** Starts sleepers in lanes; each start is acknowledged before the lane's next one. */
async function startSleepers({ engine, start }: SleepingEngine, order: SleepersOrder): Promise<LoopMeasures> {
  const file = storeFile(order.directory)
  const { counters } = engine
  // The warm-up is a part of the number that was asked for.
  const extent = { executions: Math.ceil(order.executions / 1.1) }
  const meter = new Meter({ extent, inFlight: order.inFlight, stepsPerExecution: 0 }, () => ({
    commits: counters.commits,
    rows: counters.rows + counters.commits,
    fsyncs: fsyncsOf(file, counters.commits),
  }))
  const dueAt = Date.now() + MONTH_MS
  let next = 0
  const lane = async (): Promise<void> => {
    while (meter.isOn) {
      const startedAtMs = performance.now()
      await start(`${order.group}-${next++}`, dueAt)
      meter.finished(performance.now() - startedAtMs)
    }
  }
  await Promise.all(Array.from({ length: order.inFlight }, lane))
  return meter.measures()
}

export async function measureStarts(order: SleepersOrder): Promise<LoopMeasures> {
  const opened = await openEngine(order.directory)
  const measures = await startSleepers(opened, order)
  await opened.engine.close()
  return measures
}

export async function measureBareStarts(order: SleepersOrder): Promise<LoopMeasures> {
  const file = storeFile(order.directory)
  const counts = { commits: 0, rows: 0 }
  const commit = bareSqlite(file)
  const extent = { executions: Math.ceil(order.executions / 1.1) }
  const meter = new Meter({ extent, inFlight: order.inFlight, stepsPerExecution: 0 }, () => ({
    ...counts,
    fsyncs: fsyncsOf(file, counts.commits),
  }))
  const next = bareExecutions()
  await runBareLoop({
    commit,
    program: { workflow: 'sleepers', steps: [0], dueAt: Date.now() + MONTH_MS },
    counts,
    lanes: Array.from({ length: order.inFlight }, next),
    goOn: ({ startedAtMs }) => {
      meter.finished(performance.now() - startedAtMs)
      return meter.isOn ? next() : undefined
    },
  })
  return meter.measures()
}

/** Memory of an engine that has started nothing. */
export async function measureEmpty({ directory }: Pick<SleepersOrder, 'directory'>): Promise<Memory> {
  await using engine = (await openEngine(directory)).engine
  const memory = await settledMemory()
  // It lives until here.
  if (engine.isFailed) throw new Error('the engine has failed')
  return memory
}

/** Starts the sleepers and an alarm, says so, and waits to be killed. */
export async function leaveSleepers(order: SleepersOrder, say: Say): Promise<never> {
  const opened = await openEngine(order.directory)
  const startedAtMs = performance.now()
  await startSleepers(opened, order)
  const populationSeconds = (performance.now() - startedAtMs) / 1000
  const memory = await settledMemory()
  await opened.start(ALARM_ID, Date.now() + ALARM_MS)
  say('asleep', { ...memory, populationSeconds })
  return new Promise<never>(() => {})
}

/** The engine on the file that `leaveSleepers` left: ready when the alarm's execution has ended and a start is acknowledged. */
export async function becomeReady(
  { directory }: Pick<SleepersOrder, 'directory'>,
  say: Say,
): Promise<Memory> {
  const { engine, sleeper, start } = await openEngine(directory)
  const fired = engine.execution(sleeper, ALARM_ID).result()
  const started = start('after-restart', Date.now() + MONTH_MS)
  await Promise.all([fired, started])
  say('ready')
  const memory = await settledMemory()
  await engine.close()
  return memory
}

/** Starts executions whose timers are all due within one second, and sees them fire. */
export async function wakeAll(order: SleepersOrder & { readonly leadMs: number }): Promise<Lateness> {
  const lateness = new LatencyHistogram()
  let onAllFired = (): void => {}
  const opened = await openEngine(order.directory, (dueAt) => {
    lateness.record(Date.now() - dueAt)
    if (lateness.count === order.executions) onAllFired()
  })
  const firstDueAt = Date.now() + order.leadMs
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < order.executions) {
      const index = next++
      await opened.start(`${order.group}-${index}`, firstDueAt + (index % DUE_SPAN_MS))
    }
  }
  const allFired = new Promise<void>((resolve) => (onAllFired = resolve))
  await Promise.all(Array.from({ length: order.inFlight }, lane))
  if (Date.now() > firstDueAt) throw new Error('the first timer was due before the last sleeper had started')
  await Promise.race([allFired, waitMs(firstDueAt + FIRE_LIMIT_MS - Date.now())])
  return {
    due: order.executions,
    fired: lateness.count,
    latenessMs: { p50: lateness.quantileMs(0.5), p99: lateness.quantileMs(0.99) },
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
