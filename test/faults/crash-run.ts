/**
 * Runs the mixed workload through many lives of its process, each ended by a crash, lets the last one finish, and collects
 * the evidence. What a crash is, and what it does to the files, is given by the caller.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'
import { bundledProgram } from '../bundled-program.ts'
import { ClientLog } from './client-log.ts'
import type { Evidence } from './file-checker.ts'
import { type FileContents, readStoreFile } from './file-reader.ts'
import { Lives, readLedger } from './ledger.ts'
import type { Order } from './mixed-workload.ts'
import { WorkerProcess } from './worker-process.ts'

export interface CrashOptions {
  readonly seed: number
  readonly crashes: number
  readonly inFlight?: number
  readonly synchronous?: 'full' | 'normal'
  readonly finishMs?: number
  /** Cases that the last life starts, beside those it goes on with. Default 0. */
  readonly lastCases?: number
  /** Environment of the life of this number; the last one is not ended by a crash. */
  readonly environment?: (file: string, life: number) => NodeJS.ProcessEnv
  /** The share of lives that close their engine in the middle of their work; the crash may come before, within or after. */
  readonly closingShare?: number
  /** A life may end by itself: it is killed only this long after it was ready. Default: it is killed at a random instant soon. */
  readonly endsItselfWithinMs?: number
  /** What a crash does to the files, beside what the system does. */
  readonly disk?: {
    begin(file: string): void
    cut(file: string, random: Randomness): void
  }
  readonly onProgress?: (crashes: number) => void
}

export interface CrashResult extends Evidence {
  readonly crashes: number
  /** Crashes while an engine was open and had acknowledged executions that were not known to have ended. */
  readonly inFlight: number
  /** Crashes before the engine said that it was open. */
  readonly whileOpening: number
  /** Lives that had closed their engine before the crash. */
  readonly closed: number
  /** Why the last life did not finish. */
  readonly unfinished: string | undefined
}

/** After the engine has opened: the longest time to the crash. */
const CRASH_WITHIN_MS = 50
/** After the order: the longest time to a crash that may hit the opening. */
const OPENING_MS = 60
const OPENING_SHARE = 0.04

export async function crashRun(options: CrashOptions): Promise<CrashResult> {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'perdure-crash-'))
  try {
    return await new CrashRun(options, directory).run()
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A file that cannot be read at all is damage too. */
function readable(file: string): FileContents {
  try {
    return readStoreFile(file)
  } catch (error) {
    const damage = [`the file cannot be read: ${error instanceof Error ? error.message : error}`]
    return { runs: new Map(), currents: new Map(), timers: [], outboxRows: 0, damage }
  }
}

const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(tmpdir(), 'perdure-compile-cache') }

const workload = (): string => bundledProgram(join(import.meta.dirname, 'mixed-workload.ts'))

let warm: Promise<void> | undefined

/** A process that is killed leaves no compiled code to the next one: one that ends well does, which halves their cost. */
async function warmUp(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-warm-'))
  const worker = new WorkerProcess(workload(), COMPILE_CACHE)
  await worker.next('loaded')
  worker.begin({ directory, round: 0, cases: [], inFlight: 1, synchronous: 'full' }, () => {})
  const { code } = await worker.ended()
  if (code !== 0) throw new Error(`the workload does not run: ${worker.errors}`)
  rmSync(directory, { recursive: true })
}

class CrashRun {
  readonly #options: CrashOptions
  readonly #directory: string
  readonly #file: string
  readonly #random: Randomness
  readonly #log = new ClientLog()
  readonly #lives = new Lives()
  #inFlight = 0
  #whileOpening = 0
  #closed = 0

  constructor(options: CrashOptions, directory: string) {
    this.#options = options
    this.#directory = directory
    this.#file = join(directory, 'store.db')
    this.#random = seededRandomness(options.seed)
  }

  async run(): Promise<CrashResult> {
    const { crashes, onProgress } = this.#options
    warm ??= warmUp()
    await warm
    let worker = this.#spawn(0)
    for (let life = 0; life < crashes; life++) {
      // The next process loads its code while this one works.
      const next = this.#spawn(life + 1)
      await this.#live(worker)
      worker = next
      onProgress?.(life + 1)
    }
    const unfinished = await this.#finish(worker)
    return {
      crashes,
      inFlight: this.#inFlight,
      whileOpening: this.#whileOpening,
      closed: this.#closed,
      unfinished,
      log: this.#log,
      lives: this.#lives,
      ledger: readLedger(this.#directory),
      contents: readable(this.#file),
    }
  }

  #spawn(life: number): WorkerProcess {
    const own = this.#options.environment?.(this.#file, life)
    return new WorkerProcess(workload(), { ...COMPILE_CACHE, ...own })
  }

  async #begin(worker: WorkerProcess, given: Partial<Order>): Promise<void> {
    const { inFlight = 10, synchronous = 'full', disk } = this.#options
    await worker.next('loaded')
    disk?.begin(this.#file)
    const round = this.#lives.begin(Date.now())
    const order: Order = {
      directory: this.#directory,
      round,
      cases: [...this.#log.unfinished, ...(given.cases ?? [])],
      nextCase: given.nextCase,
      closeAfterMs: given.closeAfterMs,
      inFlight,
      synchronous,
    }
    worker.begin(order, (report) => this.#log.add(report, round))
  }

  async #live(worker: WorkerProcess): Promise<void> {
    const { closingShare = 0.1 } = this.#options
    const closeAfterMs = this.#random() < closingShare ? this.#random() * CRASH_WITHIN_MS : undefined
    await this.#begin(worker, { nextCase: Math.max(-1, ...this.#log.driven) + 1, closeAfterMs })
    await this.#untilCrash(worker)
    await worker.kill()
    if (worker.has('done')) this.#closed += 1
    if (!worker.has('ready')) this.#whileOpening += 1
    else if (this.#log.openStarts > 0) this.#inFlight += 1
    this.#options.disk?.cut(this.#file, this.#random)
  }

  async #untilCrash(worker: WorkerProcess): Promise<void> {
    const random = this.#random
    const { endsItselfWithinMs } = this.#options
    if (endsItselfWithinMs !== undefined) {
      const late = worker.next('ready').then(() => delay(endsItselfWithinMs, undefined, { ref: false }))
      await Promise.race([worker.ended(), late])
    } else if (random() < OPENING_SHARE) await delay(random() * OPENING_MS)
    else {
      await worker.next('ready')
      await delay(random() * CRASH_WITHIN_MS)
    }
  }

  async #finish(worker: WorkerProcess): Promise<string | undefined> {
    const from = Math.max(-1, ...this.#log.driven) + 1
    const cases = Array.from({ length: this.#options.lastCases ?? 0 }, (_, i) => from + i)
    await this.#begin(worker, { cases })
    const timer = new AbortController()
    const late = delay(this.#options.finishMs ?? 30_000, 'late', { signal: timer.signal }).catch(() => '')
    const end = await Promise.race([worker.next('done'), late])
    timer.abort()
    if (Array.isArray(end)) {
      const { code } = await worker.ended()
      return code === 0 ? undefined : `the last process ended with code ${code}: ${worker.errors}`
    }
    await worker.kill()
    const left = this.#log.unfinished.join(', ')
    return `${end === 'late' ? 'not finished in time' : 'the last process died'}; open: ${left}; ${worker.errors}`
  }
}
