/** Simulates many seeds on several threads, each seed on one. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { SimulationReport } from './simulate.ts'

export interface SeedsOptions {
  readonly first: number
  readonly count: number
  /** Default: one per core. */
  readonly threads?: number
  /** Every so many seeds one is run twice, and its traces are compared. */
  readonly repeatEvery?: number
  readonly onReport: (report: SimulationReport) => void
  /** Tasks instead of executions. Default false. */
  readonly isOfTasks?: boolean
  /** No further seeds are begun. */
  readonly isEnough?: () => boolean
}

export interface SeedRequest {
  readonly seed: number
  readonly isRepeated: boolean
  readonly isOfTasks: boolean
}

export async function simulateSeeds(options: SeedsOptions): Promise<void> {
  const { first, count, repeatEvery = 50, onReport, isEnough, isOfTasks = false } = options
  const threads = Math.min(options.threads ?? availableParallelism(), count)
  let next = first
  const lane = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), {
        // Most of what a seed allocates is short-lived: collected less often, it costs a tenth less.
        resourceLimits: { maxYoungGenerationSizeMb: 64 },
      })
      const give = (): void => {
        if (next >= first + count || isEnough?.() === true) {
          void worker.terminate().then(() => resolve())
          return
        }
        const seed = next++
        const isRepeated = (seed - first) % repeatEvery === 0
        worker.postMessage({ seed, isRepeated, isOfTasks } satisfies SeedRequest)
      }
      worker.on('message', (report: SimulationReport) => {
        onReport(report)
        give()
      })
      worker.on('error', reject)
      give()
    })
  await Promise.all(Array.from({ length: threads }, lane))
}
