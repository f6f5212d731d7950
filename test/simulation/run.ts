// `npm run sim`: simulates seeds, and says which of them break a promise.
//
//   npm run sim -- --seeds 1000 --seed 1      seeds 1 to 1000
//   npm run sim -- --seed 17 --trace          one seed, with everything that happens in it

import { parseArgs } from 'node:util'
import { simulateSeeds } from './seed-pool.ts'
import { EVENTS_PER_SEED, type SimulationReport, simulate } from './simulate.ts'
import { addReport, noTotals, type Totals } from './totals.ts'

const HELP = `Simulates engine and store under seeded faults, and checks every seed.

usage: npm run sim -- [options]

  --seeds N     how many seeds (default 100; 1 with --trace)
  --seed S      the first seed (default 1)
  --threads N   threads (default: one per core)
  --tasks       clients enqueue tasks, instead of starting executions
  --trace       print what happens, seed by seed, on this thread
  --json        print one JSON line per seed, and one for all of them
  --help        this text

A seed has at least ${EVENTS_PER_SEED} journal events and faults. Exit code 1: a seed broke a promise.`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string' },
    tasks: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`sim: --${name} is '${text}', not a whole number of ${least} or more`)
  process.exit(2)
}

function show(report: SimulationReport): void {
  if (values.json) {
    console.log(JSON.stringify(report))
    return
  }
  if (report.violations.length === 0) return
  clearProgress()
  console.log(`seed ${report.seed} FAILED, trace ${report.hash}:`)
  for (const violation of report.violations) console.log(`  ${violation}`)
  const tasks = values.tasks ? ' --tasks' : ''
  console.log(`  repeat it with: npm run sim --${tasks} --seed ${report.seed} --trace`)
}

function showProgress(totals: Totals, count: number): void {
  if (values.json || !process.stderr.isTTY) return
  process.stderr.write(`\r${totals.seeds} of ${count} seeds, ${totals.failed.length} failed `)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

function showTotals(totals: Totals, tookMs: number): void {
  if (values.json) {
    console.log(JSON.stringify({ ...totals, tookMs: Math.round(tookMs) }))
    return
  }
  clearProgress()
  const { seeds, failed, events, faults, simulatedMs, counters, seedsHit } = totals
  const rows: [string, string | number][] = [
    ['seeds', seeds],
    ['failed', failed.length === 0 ? 0 : `${failed.length}: ${failed.join(' ')}`],
    ['journal events', events],
    ['faults', faults],
    ['seeds that hit work in flight', seedsHit],
    ['simulated hours', (simulatedMs / 3_600_000).toFixed(1)],
    ...Object.entries(counters),
    ['seconds', (tookMs / 1000).toFixed(1)],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`)
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP)
    return
  }
  const first = wholeNumber('seed', values.seed, 0)
  const count = wholeNumber('seeds', values.seeds ?? (values.trace ? '1' : '100'), 1)
  const totals = noTotals()
  const startedAtMs = performance.now()
  const onReport = (report: SimulationReport): void => {
    addReport(totals, report)
    show(report)
    showProgress(totals, count)
  }
  if (values.trace) {
    Error.stackTraceLimit = 0
    for (let seed = first; seed < first + count; seed++)
      onReport(await simulate(seed, { isOfTasks: values.tasks, print: (line) => console.log(line) }))
  } else {
    const threads = values.threads === undefined ? {} : { threads: wholeNumber('threads', values.threads, 1) }
    await simulateSeeds({ first, count, onReport, isOfTasks: values.tasks, ...threads })
  }
  showTotals(totals, performance.now() - startedAtMs)
  if (totals.failed.length > 0) process.exitCode = 1
}

await main()
