/** Simulates many seeds on several threads, each seed on one. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { ClusterOptions, ClusterReport } from './cluster/simulate-cluster.ts'
import type { DispatchReport } from './dispatch/simulate-dispatch.ts'
import type { SimulationReport } from './simulate.ts'

/** What is simulated, and what is said of a seed. */
export interface SimulationReports {
  readonly executions: SimulationReport
  readonly tasks: SimulationReport
  /** Workers in other processes, over a network. */
  readonly dispatch: DispatchReport
  /** Several nodes on one database. */
  readonly cluster: ClusterReport
}

export type SimulationKind = keyof SimulationReports

export interface SeedsOptions<K extends SimulationKind> {
  readonly kind: K
  readonly first: number
  readonly count: number
  /** Of a cluster. */
  readonly cluster?: ClusterFaults
  /** Default: one per core. */
  readonly threads?: number
  /** Every so many seeds one is run twice, and its traces are compared. */
  readonly repeatEvery?: number
  readonly onReport: (report: SimulationReports[K]) => void
  /** No further seeds are begun. */
  readonly isEnough?: () => boolean
}

export type ClusterFaults = Pick<ClusterOptions, 'isLying' | 'isAsynchronous'>

export interface SeedRequest {
  readonly seed: number
  readonly isRepeated: boolean
  readonly kind: SimulationKind
  readonly cluster: ClusterFaults
}

export async function simulateSeeds<K extends SimulationKind>(options: SeedsOptions<K>): Promise<void> {
  const { kind, first, count, cluster = {}, repeatEvery = 50, onReport, isEnough } = options
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
        worker.postMessage({ seed, isRepeated, kind, cluster } satisfies SeedRequest)
      }
      worker.on('message', (report: SimulationReports[K]) => {
        onReport(report)
        give()
      })
      worker.on('error', reject)
      give()
    })
  await Promise.all(Array.from({ length: threads }, lane))
}
