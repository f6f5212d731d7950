/** Time slices on worker processes: two keys, one with long tasks and one with short ones, both with a backlog. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, silentLogger, task } from '../src/index.ts'

export const SLICED_TASK = 'sliced'

export interface SlicedInput {
  readonly key: string
  readonly lastsMs: number
}

export interface SlicesOrder {
  readonly weights: Readonly<Record<'long' | 'short', number>>
  readonly workers: number
  readonly durationMs: number
}

export interface SlicesMeasures {
  /** Service of each key in all workers, ms. */
  readonly served: Readonly<Record<'long' | 'short', number>>
  /** Short tasks that ended. */
  readonly shortTasks: number
}

const QUANTUM_MS = 100
const LONG_MS = 5000
const SHORT_MS = 50
const LONG_TASKS = 40

/** Nothing runs here: its name is what counts. */
const sliced = task({ name: SLICED_TASK, run: (_, input: SlicedInput) => void input })

export async function runSlices({ weights, workers, durationMs }: SlicesOrder): Promise<SlicesMeasures> {
  const policy = { name: 'round-robin', quantumMs: QUANTUM_MS, weights } as const
  const engine = await createEngine({
    store: 'memory',
    queues: [{ name: 'default', policy }],
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const { url } = await engine.listen()
  const processes = Array.from({ length: workers }, (_, i) => new SliceProcess(url, `w-${i + 1}`))
  try {
    const shortTasks = Math.ceil((durationMs / SHORT_MS) * workers * 4)
    await Promise.all([
      engine.enqueueMany(sliced, inputsOf('long', LONG_MS, LONG_TASKS), () => ({ key: 'long' })),
      engine.enqueueMany(sliced, inputsOf('short', SHORT_MS, shortTasks), () => ({ key: 'short' })),
    ])
    for (const each of processes) await each.ready
    await pause(durationMs)
    const all = await Promise.all(processes.map((each) => each.served()))
    const sum = (key: 'long' | 'short'): number => all.reduce((total, each) => total + (each[key] ?? 0), 0)
    const served = { long: sum('long'), short: sum('short') }
    return { served, shortTasks: Math.round(served.short / SHORT_MS) }
  } finally {
    for (const each of processes) await each.end()
    await engine.close()
  }
}

function inputsOf(key: string, lastsMs: number, count: number): SlicedInput[] {
  return Array.from({ length: count }, () => ({ key, lastsMs }))
}

class SliceProcess {
  readonly ready: Promise<unknown>
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(url: string, id: string) {
    const file = join(import.meta.dirname, 'slice-worker.ts')
    const child = spawn(process.execPath, [...process.execArgv, file, url, id], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child = child
    this.#lines = createInterface(child.stdout)
    this.ready = once(this.#lines, 'line')
  }

  /** Service of each key so far, ms. */
  async served(): Promise<Readonly<Record<string, number>>> {
    const line = once(this.#lines, 'line')
    this.#child.kill('SIGUSR2')
    const [text] = await line
    return JSON.parse(String(text)) as Record<string, number>
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exited
  }
}
