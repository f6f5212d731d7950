/** A thread of the pool: simulates the seeds that it is given. */
import { parentPort } from 'node:worker_threads'
import type { SeedRequest } from './seed-pool.ts'
import { type SimulationReport, simulate } from './simulate.ts'

// Failures are journaled with their stacks; without frames they are the same on each machine, and cheaper.
Error.stackTraceLimit = 0

async function reportOf({ seed, isRepeated, isOfTasks }: SeedRequest): Promise<SimulationReport> {
  const report = await simulate(seed, { isOfTasks })
  if (!isRepeated) return report
  const again = await simulate(seed, { isOfTasks })
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
