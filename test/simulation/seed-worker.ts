/** A thread of the pool: simulates the seeds that it is given. */
import { parentPort } from 'node:worker_threads'
import { simulateCluster } from './cluster/simulate-cluster.ts'
import { simulateDispatch } from './dispatch/simulate-dispatch.ts'
import type { SeedRequest, SimulationKind, SimulationReports } from './seed-pool.ts'
import { simulate } from './simulate.ts'

// Failures are journaled with their stacks; without frames they are the same on each machine, and cheaper.
Error.stackTraceLimit = 0

type Report = SimulationReports[SimulationKind]

function simulated({ seed, kind, cluster }: SeedRequest): Promise<Report> {
  if (kind === 'cluster') return simulateCluster(seed, cluster)
  return kind === 'dispatch' ? simulateDispatch(seed) : simulate(seed, { isOfTasks: kind === 'tasks' })
}

async function reportOf(request: SeedRequest): Promise<Report> {
  const report = await simulated(request)
  if (!request.isRepeated) return report
  const again = await simulated(request)
  if (again.hash === report.hash) return report
  const violation = `the same seed gave two traces: ${report.hash} and ${again.hash}`
  return { ...report, violations: [...report.violations, violation] }
}

parentPort?.on('message', (request: SeedRequest) => {
  reportOf(request).then(
    (report) => parentPort?.postMessage(report),
    (error) => {
      // Thrown in a macrotask, so that the thread ends with it and its pool is told.
      setImmediate(() => {
        throw new Error(`seed ${request.seed}`, { cause: error })
      })
    },
  )
})
