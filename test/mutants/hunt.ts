/** Runs in the copy of the repository that has the bug: simulates seeds until one of them shows it. */
import { writeSync } from 'node:fs'
import { simulateCluster } from '../simulation/cluster/simulate-cluster.ts'
import { simulateDispatch } from '../simulation/dispatch/simulate-dispatch.ts'
import { simulate } from '../simulation/simulate.ts'

Error.stackTraceLimit = 0

const first = Number(process.argv[2])
const count = Number(process.argv[3])
const kind = process.argv[4]

/** At once: a seed that spins lets nothing out later. */
function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

/** The bug may show itself as an error that nobody catches. */
function caught(seed: number, violation: string): never {
  say({ seeds: seed - first + 1, violation })
  process.exit(0)
}

function simulated(seed: number): Promise<{ readonly violations: readonly string[] }> {
  if (kind === 'dispatch') return simulateDispatch(seed)
  if (kind === 'cluster') return simulateCluster(seed)
  return simulate(seed, { isOfTasks: kind === 'tasks' })
}

let seed = first
process.on('uncaughtException', (error) => caught(seed, `uncaught: ${error.message}`))
for (; seed < first + count; seed++) {
  say({ begins: seed })
  const { violations } = await simulated(seed)
  const [violation] = violations
  if (violation !== undefined) caught(seed, violation)
}
say({ seeds: count, violation: null })
