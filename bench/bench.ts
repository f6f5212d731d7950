/** `npm run bench`: measures the engine beside a bare loop that writes the same rows. See `--help`. */
import { existsSync } from 'node:fs'
import { type CommandLine, helpText, parseCommandLine, UsageError } from './command-line.ts'
import { isInMemory } from './file-system.ts'
import type { StoreName } from './lanes.ts'
import { runPeers } from './peers/peers.ts'
import { tableOf } from './report.ts'
import { type BenchResult, jsonLineOf } from './result.ts'
import { killTasks } from './task-process.ts'
import { access } from './workloads/access.ts'
import { backlog } from './workloads/backlog.ts'
import { balance } from './workloads/balance.ts'
import { encryption } from './workloads/encryption.ts'
import { failover } from './workloads/failover.ts'
import { fanout } from './workloads/fanout.ts'
import { history } from './workloads/history.ts'
import { metrics } from './workloads/metrics.ts'
import { picks } from './workloads/picks.ts'
import { plans } from './workloads/plans.ts'
import { queue } from './workloads/queue.ts'
import { recovery } from './workloads/recovery.ts'
import { rest } from './workloads/rest.ts'
import { scaling } from './workloads/scaling.ts'
import { sleepers } from './workloads/sleepers.ts'
import { slices } from './workloads/slices.ts'
import { steps } from './workloads/steps.ts'
import { printTable, type TableWorkload } from './workloads/table-workload.ts'
import { workflowTasks } from './workloads/workflow-tasks.ts'
import type { BenchOptions, Workload } from './workloads/workload.ts'

const WORKLOADS: readonly Workload[] = [
  steps,
  fanout,
  history,
  sleepers,
  recovery,
  queue,
  backlog,
  workflowTasks,
]

/** Without store and engine: with rows and tables of their own. */
const TABLES = [access, picks, balance, slices, failover, scaling, plans, metrics, encryption, rest] as const

const ROUND_MS = 6000
const QUICK_ROUND_MS = 600

/** Exit code after a signal. */
const INTERRUPTED = 130

async function main(): Promise<number> {
  const [first, ...others] = process.argv.slice(2)
  if (first === 'peers') return (await runPeers(others, () => isInterrupted)) ?? INTERRUPTED
  const given = parseCommandLine(process.argv.slice(2))
  if (given.isHelp) {
    process.stdout.write(helpText([...WORKLOADS, ...TABLES]))
    return 0
  }
  if (!existsSync(given.directory)) throw new UsageError(`${given.directory} does not exist`)
  if (given.store !== 'memory' && isInMemory(given.directory))
    process.stderr.write(`${given.directory} is in memory: fsync costs nothing there, see --directory\n`)
  const options: Omit<BenchOptions, 'store'> = {
    inFlight: given.inFlight,
    executions: given.executions,
    roundMs: given.isQuick ? QUICK_ROUND_MS : ROUND_MS,
    isQuick: given.isQuick,
    rounds: given.rounds,
    nodeFlags: given.nodeFlags,
    directory: given.directory,
    progress: (text) => process.stderr.write(`${text}\n`),
  }
  if (TABLES.some(({ name }) => name === given.workload)) return printTables(given, options)
  const results: BenchResult[] = []
  let broken = 0
  for (const { workload, store } of runsOf(given)) {
    try {
      for await (const result of workload.run({ ...options, store })) {
        results.push(result)
        if (given.isJson) process.stdout.write(`${jsonLineOf(result)}\n`)
      }
    } catch (error) {
      if (isInterrupted) return INTERRUPTED
      broken += 1
      const reason = error instanceof Error ? error.stack : String(error)
      process.stderr.write(`${workload.name} could not be run on ${store}: ${reason}\n`)
    }
  }
  if (!given.isJson && results.length > 0) process.stdout.write(`${tableOf(results)}\n`)
  if (given.workload === 'all') await printTables(given, options)
  return broken > 0 ? 1 : 0
}

async function printTables(given: CommandLine, options: Omit<BenchOptions, 'store'>): Promise<number> {
  const isAll = given.workload === 'all'
  if (given.store !== undefined && isAll) return 0
  if (given.store !== undefined) throw new UsageError(`${given.workload} has no store`)
  const chosen = TABLES.filter(({ name }) => isAll || given.workload === name)
  for (const table of chosen) await printTable(table as TableWorkload<object>, options, given.isJson)
  return 0
}

/** Workloads with the stores they run on. `all` leaves out those that do not run on the store that was asked for. */
function runsOf({ workload: name, store }: CommandLine): { workload: Workload; store: StoreName }[] {
  const isAll = name === 'all'
  const chosen = WORKLOADS.filter((each) => isAll || each.name === name)
  if (chosen.length === 0) throw new UsageError(`no workload is called '${name}'`)
  const runs = chosen.flatMap((workload) => {
    const stores = store === undefined ? workload.defaultStores : [store]
    return stores.filter((each) => workload.stores.includes(each)).map((each) => ({ workload, store: each }))
  })
  if (runs.length === 0) throw new UsageError(`${name} does not run with --store ${store}`)
  return runs
}

let isInterrupted = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    isInterrupted = true
    killTasks()
  })
}
try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nTry: npm run bench -- --help\n`)
  process.exitCode = 2
}
