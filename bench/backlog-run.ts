/** Tasks that wait in one queue, many of them: what they cost in memory and at a restart, and what goes on beside them. */
import { createEngine, task } from '../src/index.ts'
import { storeFile } from './lanes.ts'
import type { LoopMeasures } from './meter.ts'
import { measured } from './queue-run.ts'
import type { Say } from './say.ts'
import { type Memory, settledMemory } from './settled-memory.ts'

export interface BacklogOrder {
  readonly directory: string
  readonly tasks: number
  /** Tasks that run at once. */
  readonly inFlight: number
}

export interface BacklogRates {
  readonly enqueue: LoopMeasures
  readonly dispatch: LoopMeasures
}

const ENQUEUE_TASKS = 10_000
const QUEUE = 'default'

function openEngine(directory: string, onRun: () => void, inFlight: number, paused: boolean) {
  const noop = task({
    name: 'noop',
    run: () => {
      onRun()
      return { ok: true }
    },
  })
  const store = `sqlite:${storeFile(directory)}` as const
  const queues = [{ name: QUEUE, paused }]
  const made = createEngine({ store, tasks: [noop], queues, taskConcurrency: inFlight })
  return made.then((engine) => ({ engine, noop }))
}

type Opened = Awaited<ReturnType<typeof openEngine>>

async function enqueueAll({ engine, noop }: Opened, tasks: number): Promise<void> {
  const inputs = Array.from({ length: ENQUEUE_TASKS }, (_, i) => ({ orderId: `order-${i}` }))
  for (let done = 0; done < tasks; done += ENQUEUE_TASKS)
    await engine.enqueueMany(noop, inputs.slice(0, tasks - done))
}

/** Memory of an engine on what waits in the file, if anything does, when it has read what it keeps in memory. */
export async function restOnBacklog({ directory, inFlight }: Omit<BacklogOrder, 'tasks'>): Promise<Memory> {
  const { engine, noop } = await openEngine(directory, () => {}, inFlight, true)
  await engine.enqueue(noop, {})
  const memory = await settledMemory()
  await engine.close()
  return memory
}

/** Fills the queue, which is paused, says so, and waits to be killed. */
export async function fillBacklog({ directory, tasks, inFlight }: BacklogOrder, say: Say): Promise<never> {
  const opened = await openEngine(directory, () => {}, inFlight, true)
  const startedAtMs = performance.now()
  await enqueueAll(opened, tasks)
  const fillSeconds = (performance.now() - startedAtMs) / 1000
  const memory = await settledMemory()
  const [queue] = await opened.engine.queues.list()
  say('filled', { ...memory, fillSeconds, waiting: queue?.waiting ?? 0 })
  return new Promise<never>(() => {})
}

/** The engine on the file that was left: ready when one of its tasks has run and another one is enqueued. */
export async function backlogIsReady(
  { directory, inFlight }: Omit<BacklogOrder, 'tasks'>,
  say: Say,
): Promise<Record<string, never>> {
  let onFirst = (): void => {}
  const first = new Promise<void>((resolve) => (onFirst = resolve))
  const { engine, noop } = await openEngine(directory, () => onFirst(), inFlight, false)
  await Promise.all([first, engine.enqueue(noop, {})])
  say('ready')
  await engine.close()
  return {}
}

/** Enqueues so many, and then runs so many: of those that wait in the file, if there are more. */
export async function measureBacklogRates({
  directory,
  tasks,
  inFlight,
}: BacklogOrder): Promise<BacklogRates> {
  const producer = await openEngine(directory, () => {}, inFlight, true)
  const enqueue = await measured(tasks, async () => {
    await enqueueAll(producer, tasks)
    return producer.engine.counters
  })
  await producer.engine.close()
  const warmUp = Math.ceil(tasks / 10)
  let runs = 0
  let onWarm = (): void => {}
  let onEnough = (): void => {}
  const warm = new Promise<void>((resolve) => (onWarm = resolve))
  const enough = new Promise<void>((resolve) => (onEnough = resolve))
  const worker = await openEngine(
    directory,
    () => {
      runs += 1
      if (runs === warmUp) onWarm()
      if (runs === tasks) onEnough()
    },
    inFlight,
    false,
  )
  await warm
  const dispatch = await measured(tasks - warmUp, async () => {
    await enough
    return worker.engine.counters
  })
  await worker.engine.close()
  return { enqueue, dispatch }
}
