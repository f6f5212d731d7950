/** A job queue: no-op tasks are enqueued, and then run; beside a bare loop that writes the same rows in batches. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createEngine, createWorker, type Engine, task } from '../src/index.ts'
import { openWriting } from '../src/store/sqlite/connection.ts'
import { migrate } from '../src/store/sqlite/migrate.ts'
import { storeFile } from './lanes.ts'
import type { LoopMeasures } from './meter.ts'

export interface QueueOrder {
  readonly directory: string
  readonly tasks: number
  /** Tasks that run at once. */
  readonly inFlight: number
}

export interface QueueMeasures {
  readonly enqueue: LoopMeasures
  readonly drain: LoopMeasures
  /** By a worker in another process; of the bare loop the same as `drain`. */
  readonly 'remote drain': LoopMeasures
}

/** Rows of one commit of the bare loop. */
const BARE_ROWS = 1000
const ENQUEUE_TASKS = 10_000
const ROWS_PER_STATEMENT = 64

const noop = task({ name: 'noop', run: () => ({ ok: true }) })

export async function runEngineQueue({ directory, tasks, inFlight }: QueueOrder): Promise<QueueMeasures> {
  const store = `sqlite:${storeFile(directory)}`
  const producer = await createEngine({ store, workflows: [] })
  const inputs = Array.from({ length: ENQUEUE_TASKS }, (_, i) => ({ orderId: `order-${i}` }))
  const enqueue = await measured(tasks, async () => {
    for (let done = 0; done < tasks; done += ENQUEUE_TASKS)
      await producer.enqueueMany(noop, inputs.slice(0, tasks - done))
    return producer.counters
  })
  await producer.close()
  const worker = await createEngine({ store, tasks: [noop], taskConcurrency: inFlight })
  const drain = await measured(tasks, () => drained(worker))
  await worker.close()
  return { enqueue, drain, 'remote drain': await measureRemoteDrain({ store, tasks, inFlight, inputs }) }
}

async function measureRemoteDrain({
  store,
  tasks,
  inFlight,
  inputs,
}: Omit<QueueOrder, 'directory'> & {
  readonly store: string
  readonly inputs: readonly object[]
}): Promise<LoopMeasures> {
  const engine = await createEngine({ store })
  for (let done = 0; done < tasks; done += ENQUEUE_TASKS)
    await engine.enqueueMany(noop, inputs.slice(0, tasks - done))
  const { url } = await engine.listen()
  const before = { ...engine.counters }
  const child = spawn(
    process.execPath,
    [...process.execArgv, join(import.meta.dirname, 'remote-worker.ts'), url, String(inFlight)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  try {
    await once(child.stdout, 'data')
    return await measured(tasks, async () => {
      child.stdin.write('go\n')
      const { commits, rows } = await drained(engine)
      return { commits: commits - before.commits, rows: rows - before.rows }
    })
  } finally {
    child.stdin.end()
    await once(child, 'exit')
    await engine.close()
  }
}

/** The worker in another process: it connects when it is told to. */
export async function workRemotely(url: string, concurrency: number): Promise<void> {
  await createWorker({ url, tasks: [noop], concurrency })
}

async function drained(engine: Engine): Promise<Engine['counters']> {
  for (;;) {
    const [queue] = await engine.queues.list()
    if (queue !== undefined && queue.waiting + queue.running === 0 && engine.isQuiet) return engine.counters
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The same rows: one insert and one update per task, in commits of 1,000. */
export async function runBareQueue({ directory, tasks }: QueueOrder): Promise<QueueMeasures> {
  const file = storeFile(directory)
  const database = openWriting(file, { synchronous: 'full' })
  migrate(database, file, 256)
  const begin = database.prepare('begin immediate')
  const commit = database.prepare('commit')
  const number = database.prepare('insert into "commit" (session_id, seq, at) values (1, ?, ?)')
  const row = "('default', null, 'default', 'noop', 'waiting', ?, ?, null, ?, 0, ?, null, null)"
  const insert = database.prepare(`
    insert or fail into task (namespace, id, queue, name, status, lane, spec, state, seq, part, rank, due_at, closed_at)
    values ${Array(ROWS_PER_STATEMENT).fill(row).join(', ')}`)
  const update = database.prepare(
    "update or fail task set status = 'completed', lane = ?, rank = ?, due_at = null, closed_at = ?, state = ? where seq = ?",
  )
  const lane = 'fcfs\n\n\nnoop'
  const spec = (i: number): string =>
    `{"input":[1,"json",null,{"orderId":"order-${i}"}],"enqueuedMs":${Date.now()}}`
  const state = (): string =>
    `{"startedMs":${Date.now()},"servedMs":0.012,"attempts":1,"result":[1,"json",null,{"ok":true}]}`
  let commits = 0
  const inCommits = async (
    write: (from: number, to: number) => void,
  ): Promise<{ commits: number; rows: number }> => {
    const before = commits
    for (let from = 0; from < tasks; from += BARE_ROWS) {
      begin.run()
      number.run(++commits, Date.now())
      write(from, Math.min(tasks, from + BARE_ROWS))
      commit.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { commits: commits - before, rows: tasks + commits - before }
  }
  const base = Date.now() * 1024
  const enqueue = await measured(tasks, () =>
    inCommits((from, to) => {
      let at = from
      for (; at + ROWS_PER_STATEMENT <= to; at += ROWS_PER_STATEMENT) {
        const values: (string | number)[] = []
        for (let i = at; i < at + ROWS_PER_STATEMENT; i++) values.push(lane, spec(i), base + i, base + i)
        insert.run(...values)
      }
      for (; at < to; at++) {
        const seq = base + at
        one(lane, spec(at), seq, seq)
      }
    }),
  )
  const drain = await measured(tasks, () =>
    inCommits((from, to) => {
      const now = Date.now()
      for (let i = from; i < to; i++) update.run(lane, base + i, now, state(), base + i)
    }),
  )
  database.close()
  return { enqueue, drain, 'remote drain': drain }

  function one(...values: (string | number)[]): void {
    single ??= database.prepare(`
      insert or fail into task (namespace, id, queue, name, status, lane, spec, state, seq, part, rank, due_at, closed_at)
      values ${row}`)
    single.run(...values)
  }
}

let single: ReturnType<ReturnType<typeof openWriting>['prepare']> | undefined

/** Tasks per second of some work. */
export async function measured(
  tasks: number,
  work: () => Promise<{ readonly commits: number; readonly rows: number }>,
): Promise<LoopMeasures> {
  const startMs = performance.now()
  const counts = await work()
  const perSecond = (tasks * 1000) / (performance.now() - startMs)
  return {
    executions: tasks,
    executionsPerSecond: perSecond,
    stepsPerSecond: 0,
    latencyMs: { p50: 0, p99: 0 },
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
    perExecution: { commits: counts.commits / tasks, rows: counts.rows / tasks, fsyncs: 0 },
  }
}
