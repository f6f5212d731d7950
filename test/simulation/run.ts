// `npm run sim`: simulates seeds, and says which of them break a promise.
//
//   npm run sim -- --seeds 1000 --seed 1                  seeds 1 to 1000
//   npm run sim -- --seed 17 --trace                      one seed, with everything that happens in it
//   npm run sim -- cluster --seeds 200                    a cluster of nodes on one database
//   npm run sim -- dispatch --messages 10000000           workers over a network, until so many messages were sent

import { parseArgs } from 'node:util'
import { addClusterReport, noClusterTotals } from './cluster/cluster-totals.ts'
import { simulateCluster } from './cluster/simulate-cluster.ts'
import { addDispatchReport, FAULTS, noDispatchTotals } from './dispatch/dispatch-totals.ts'
import { MESSAGES_PER_SEED, simulateDispatch } from './dispatch/simulate-dispatch.ts'
import { type SimulationKind, type SimulationReports, simulateSeeds } from './seed-pool.ts'
import { EVENTS_PER_SEED, simulate } from './simulate.ts'
import { addReport, noTotals } from './totals.ts'

const HELP = `Simulates engine and store under seeded faults, and checks every seed.

usage: npm run sim -- [what] [options]

  executions     clients start executions on one engine (default)
  tasks          clients enqueue tasks
  cluster        several nodes on one database, over a network with faults
  dispatch       tasks run on workers in other processes, over a network with faults

  --seeds N      how many seeds (default 100; 1 with --trace)
  --seed S       the first seed (default 1)
  --threads N    threads (default: one per core)
  --messages N   of dispatch: as many seeds as it takes for N messages
  --trace        print what happens, seed by seed, on this thread
  --json         print one JSON line per seed, and one for all of them
  --help         this text

A seed has at least ${EVENTS_PER_SEED} journal events and faults, or ${MESSAGES_PER_SEED} messages. Exit code 1: a seed broke a promise.`

const KINDS: readonly SimulationKind[] = ['executions', 'tasks', 'cluster', 'dispatch']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string' },
    messages: { type: 'string' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [what = 'executions', ...more] = positionals
const kind = KINDS.find((each) => each === what) ?? usage(`'${what}' is not one of ${KINDS.join(', ')}`)
if (more.length > 0) usage(`one of ${KINDS.join(', ')} at a time`)

type Row = readonly [name: string, value: string | number]

interface Sums<Report> {
  readonly all: { readonly seeds: number; readonly failed: readonly number[] }
  readonly add: (report: Report) => void
  readonly rows: (tookMs: number) => readonly Row[]
}

function usage(text: string): never {
  console.error(`sim: ${text}`)
  process.exit(2)
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  return usage(`--${name} is '${text}', not a whole number of ${least} or more`)
}

function show(report: SimulationReports[SimulationKind]): void {
  if (values.json) {
    console.log(JSON.stringify(report))
    return
  }
  if (report.violations.length === 0) return
  clearProgress()
  console.log(`seed ${report.seed} FAILED, trace ${report.hash}:`)
  for (const violation of report.violations) console.log(`  ${violation}`)
  const named = kind === 'executions' ? '' : `${kind} `
  console.log(`  repeat it with: npm run sim -- ${named}--seed ${report.seed} --trace`)
}

function showProgress(seeds: number, count: number, failed: number): void {
  if (values.json || !process.stderr.isTTY) return
  process.stderr.write(`\r${seeds} of ${count} seeds, ${failed} failed `)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

const hours = (ms: number): Row => ['simulated hours', (ms / 3_600_000).toFixed(1)]

function sumsOfEvents(): Sums<SimulationReports['executions']> {
  const all = noTotals()
  return {
    all,
    add: (report) => addReport(all, report),
    rows: () => [
      ['journal events', all.events],
      ['faults', all.faults],
      ['seeds that hit work in flight', all.seedsHit],
      hours(all.simulatedMs),
      ...Object.entries(all.counters),
    ],
  }
}

function sumsOfCluster(): Sums<SimulationReports['cluster']> {
  const all = noClusterTotals()
  return {
    all,
    add: (report) => addClusterReport(all, report),
    rows: () => [
      ['journal events', all.events],
      ['seeds that hit work in flight', all.seedsHit],
      hours(all.simulatedMs),
      ...Object.entries(all.counters),
    ],
  }
}

function sumsOfMessages(): Sums<SimulationReports['dispatch']> {
  const all = noDispatchTotals()
  return {
    all,
    add: (report) => addDispatchReport(all, report),
    rows: (tookMs) => [
      hours(all.simulatedMs),
      ...Object.entries(all.counters),
      ['messages per second', Math.round((all.counters.messages / tookMs) * 1000)],
      ['faults that never happened', FAULTS.filter((name) => all.counters[name] === 0).join() || 0],
    ],
  }
}

async function simulateAll<K extends SimulationKind>(
  kind: K,
  sums: Sums<SimulationReports[K]>,
  traced: (seed: number) => Promise<SimulationReports[K]>,
): Promise<void> {
  const first = wholeNumber('seed', values.seed, 0)
  const enough =
    values.messages === undefined
      ? values.trace
        ? '1'
        : '100'
      : String(Math.ceil(wholeNumber('messages', values.messages, 1) / MESSAGES_PER_SEED))
  const count = wholeNumber('seeds', values.seeds ?? enough, 1)
  const startedAtMs = performance.now()
  const onReport = (report: SimulationReports[K]): void => {
    sums.add(report)
    show(report)
    showProgress(sums.all.seeds, count, sums.all.failed.length)
  }
  if (values.trace) {
    Error.stackTraceLimit = 0
    for (let seed = first; seed < first + count; seed++) onReport(await traced(seed))
  } else {
    const threads = values.threads === undefined ? {} : { threads: wholeNumber('threads', values.threads, 1) }
    await simulateSeeds({ kind, first, count, onReport, ...threads })
  }
  const tookMs = performance.now() - startedAtMs
  if (values.json) console.log(JSON.stringify({ ...sums.all, tookMs: Math.round(tookMs) }))
  else showTotals(sums, tookMs)
  if (sums.all.failed.length > 0) process.exitCode = 1
}

function showTotals<R>({ all, rows }: Sums<R>, tookMs: number): void {
  clearProgress()
  const { seeds, failed } = all
  const shown: readonly Row[] = [
    ['seeds', seeds],
    ['failed', failed.length === 0 ? 0 : `${failed.length}: ${failed.join(' ')}`],
    ...rows(tookMs),
    ['seconds', (tookMs / 1000).toFixed(1)],
  ]
  const width = Math.max(...shown.map(([name]) => name.length))
  for (const [name, value] of shown) console.log(`${name.padEnd(width)}  ${value}`)
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP)
    return
  }
  if (values.messages !== undefined && kind !== 'dispatch') usage('--messages goes with dispatch')
  const print = (line: string): void => console.log(line)
  if (kind === 'dispatch')
    await simulateAll(kind, sumsOfMessages(), (seed) => simulateDispatch(seed, { print }))
  else if (kind === 'cluster')
    await simulateAll(kind, sumsOfCluster(), (seed) => simulateCluster(seed, { print }))
  else
    await simulateAll(kind, sumsOfEvents(), (seed) => simulate(seed, { isOfTasks: kind === 'tasks', print }))
}

await main()
