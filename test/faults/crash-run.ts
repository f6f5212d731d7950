/**
 * Runs the mixed workload through many lives of its process, each ended by a crash, lets the last one finish, and collects
 * the evidence. What a crash is, and what it does to the files, is given by the caller.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'
import { ClientLog } from './client-log.ts'
import type { Evidence } from './file-checker.ts'
import { readStoreFile } from './file-reader.ts'
import { Lives, readLedger } from './ledger.ts'
import { WorkerProcess } from './worker-process.ts'

export interface CrashOptions {
  readonly seed: number
  readonly crashes: number
  readonly inFlight?: number
  readonly synchronous?: 'full' | 'normal'
  readonly finishMs?: number
  /** Environment of the life of this number. */
  readonly environment?: (life: number) => NodeJS.ProcessEnv
  /** Called between two lives: what the crash did to the files. */
  readonly afterCrash?: (directory: string, life: number, random: Randomness) => void
  readonly beforeLife?: (directory: string, life: number) => void
  readonly onProgress?: (crashes: number) => void
}

export interface CrashResult extends Evidence {
  readonly crashes: number
  /** Crashes while an engine was open and had acknowledged executions that were not known to have ended. */
  readonly inFlight: number
  /** Crashes before the engine said that it was open. */
  readonly whileOpening: number
  /** Why the last life did not finish. */
  readonly unfinished: string | undefined
}

/** After the engine has opened: the longest time to the crash. */
const CRASH_WITHIN_MS = 50
/** After the order: the longest time to a crash that may hit the opening. */
const OPENING_MS = 60
const OPENING_SHARE = 0.04

export async function crashRun(options: CrashOptions): Promise<CrashResult> {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-crash-'))
  try {
    return await new CrashRun(options, directory).run()
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

class CrashRun {
  readonly #options: CrashOptions
  readonly #directory: string
  readonly #random: Randomness
  readonly #log = new ClientLog()
  readonly #lives = new Lives()
  #inFlight = 0
  #whileOpening = 0

  constructor(options: CrashOptions, directory: string) {
    this.#options = options
    this.#directory = directory
    this.#random = seededRandomness(options.seed)
  }

  async run(): Promise<CrashResult> {
    const { crashes, onProgress } = this.#options
    let worker = this.#spawn(0)
    for (let life = 0; life < crashes; life++) {
      // The next process loads its code while this one works.
      const next = this.#spawn(life + 1)
      await this.#live(worker, life)
      worker = next
      onProgress?.(life + 1)
    }
    const unfinished = await this.#finish(worker, crashes)
    return {
      crashes,
      inFlight: this.#inFlight,
      whileOpening: this.#whileOpening,
      unfinished,
      log: this.#log,
      lives: this.#lives,
      ledger: readLedger(this.#directory),
      contents: readStoreFile(join(this.#directory, 'store.db')),
    }
  }

  #spawn(life: number): WorkerProcess {
    const cache = { NODE_COMPILE_CACHE: join(tmpdir(), 'perdure-compile-cache') }
    return new WorkerProcess({ ...cache, ...this.#options.environment?.(life) })
  }

  async #begin(worker: WorkerProcess, life: number, nextCase: number | undefined): Promise<void> {
    const { inFlight = 10, synchronous = 'full', beforeLife } = this.#options
    await worker.next('loaded')
    beforeLife?.(this.#directory, life)
    const round = this.#lives.begin(Date.now())
    const cases = this.#log.unfinished
    const order = { directory: this.#directory, round, cases, nextCase, inFlight, synchronous }
    worker.begin(order, (report) => this.#log.add(report, round))
  }

  async #live(worker: WorkerProcess, life: number): Promise<void> {
    const random = this.#random
    await this.#begin(worker, life, Math.max(-1, ...this.#log.driven) + 1)
    if (random() < OPENING_SHARE) await delay(random() * OPENING_MS)
    else {
      await worker.next('ready')
      await delay(random() * CRASH_WITHIN_MS)
    }
    await worker.kill()
    if (!worker.has('ready')) this.#whileOpening += 1
    else if (this.#log.openStarts > 0) this.#inFlight += 1
    this.#options.afterCrash?.(this.#directory, life, random)
  }

  async #finish(worker: WorkerProcess, life: number): Promise<string | undefined> {
    await this.#begin(worker, life, undefined)
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
