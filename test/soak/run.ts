// `npm run soak`: the mixed workload under many crashes of its process, on real files, checked by an independent reader.
//
//   npm run soak                            10,000 SIGKILLs: about 25 minutes on two quiet cores
//   npm run soak -- --kills 500 --seed 7    a seed repeats the choice of instants, not their exact effect
//   npm run soak -- --kills 0 --cuts 1000   power cuts instead: what was not synced is lost
//   npm run soak -- cluster                 a cluster on PostgreSQL: see cluster.ts
//   npm run soak -- patroni                 PostgreSQL that Patroni runs: see patroni.ts

import { parseArgs } from 'node:util'
import { type CrashResult, crashRun } from '../faults/crash-run.ts'
import { faultShim } from '../faults/fault-shim.ts'
import { checkEvidence } from '../faults/file-checker.ts'
import { powerLossRun } from '../faults/power-loss.ts'
import { soakCluster } from './cluster.ts'
import { patroniSoak } from './patroni.ts'

const HELP = `npm run soak -- [--kills N] [--cuts N] [--seed S]
npm run soak -- cluster [--minutes N] [--nodes N] [--seed S]
npm run soak -- patroni [--minutes N] [--callers N] [--only KINDS]

  --kills N   SIGKILLs in all (default 10000). A new file is begun, and the old one checked, every 500.
  --cuts N    power cuts in all (default 0): writes that were not synced are dropped or torn. Linux with gcc.
  --seed S    seed of the instants and of everything else that is drawn (default: from the clock)
  --help      this text

  cluster     another one: nodes, clients and PostgreSQL, of which all fail (npm run soak -- cluster --help)
  patroni     another one: PostgreSQL loses its primary again and again (npm run soak -- patroni --help)

Exit code 0: nothing acknowledged was lost, no recorded step ran again. 1: it says what was wrong. 2: wrong usage.
`

/** Lives on one file: the check of a file takes longer the more there is in it. */
const LIVES_PER_FILE = 500
const PROGRESS_EVERY = 25

interface Settings {
  readonly kills: number
  readonly cuts: number
  readonly seed: number
}

interface Series {
  readonly what: 'kills' | 'cuts'
  readonly count: number
  readonly run: (options: {
    readonly seed: number
    readonly crashes: number
    readonly onProgress: (crashes: number) => void
  }) => Promise<CrashResult>
}

function settings(args: readonly string[]): Settings | 'help' {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: { kills: text, cuts: text, seed: text, help: { type: 'boolean' } },
  })
  if (values.help === true) return 'help'
  return {
    kills: wholeNumber(values.kills ?? '10000', '--kills'),
    cuts: wholeNumber(values.cuts ?? '0', '--cuts'),
    seed: wholeNumber(values.seed ?? String(Date.now() % 1_000_000), '--seed'),
  }
}

function wholeNumber(text: string, option: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number) || number < 0)
    throw new TypeError(`${option} is '${text}', not a whole number of 0 or more`)
  return number
}

/** What was wrong in the end: empty if nothing was. */
function faultsOf(result: CrashResult): string[] {
  const { log, unfinished } = result
  return [
    ...(unfinished === undefined ? [] : [unfinished]),
    ...log.rejections.map(({ number, code, message }) => `case ${number} was rejected: ${code} ${message}`),
    ...log.failures.map(({ code, message }) => `an engine failed: ${code} ${message}`),
    ...checkEvidence(result),
  ]
}

async function soak({ what, count, run }: Series, seed: number): Promise<number> {
  const startedAtMs = performance.now()
  let done = 0
  const total = { inFlight: 0, whileOpening: 0, closed: 0, runs: 0, acknowledgements: 0, steps: 0, faults: 0 }
  const progress = (): void => {
    const leftMin = (((performance.now() - startedAtMs) / Math.max(done, 1)) * (count - done)) / 60_000
    const line = `${done} of ${count} ${what}, ${total.faults} faults, about ${leftMin.toFixed(1)} min left`
    process.stderr.write(process.stderr.isTTY ? `\r${line}    ` : `${line}\n`)
  }
  for (let file = 0; done < count; file++) {
    const before = done
    const crashes = Math.min(LIVES_PER_FILE, count - before)
    const onProgress = (crashed: number): void => {
      done = before + crashed
      if (done % PROGRESS_EVERY === 0) progress()
    }
    const result = await run({ seed: seed + file, crashes, onProgress })
    total.inFlight += result.inFlight
    total.whileOpening += result.whileOpening
    total.closed += result.closed
    total.runs += result.contents.runs.size
    total.acknowledgements += result.log.acknowledgements
    total.steps += result.ledger.length
    for (const fault of faultsOf(result)) {
      total.faults += 1
      console.error(`\nseed ${seed + file}: ${fault}`)
    }
  }
  console.log(
    `\n${done} ${what}: ${total.inFlight} with work in flight, ${total.whileOpening} while opening, ` +
      `${total.closed} after closing; ${total.runs} runs, ${total.acknowledgements} acknowledgements, ` +
      `${total.steps} step executions, ${total.faults} faults, ` +
      `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`,
  )
  return total.faults
}

/** Those that are no crashes of a process on a file, by their first word. */
const OTHERS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  cluster: soakCluster,
  patroni: patroniSoak,
}

async function main(): Promise<void> {
  const [word = '', ...rest] = process.argv.slice(2)
  const other = OTHERS[word]
  if (other !== undefined) return other(rest)
  let chosen: Settings | 'help'
  try {
    chosen = settings(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  if (chosen === 'help') {
    console.log(HELP)
    return
  }
  const { kills, cuts, seed } = chosen
  const shim = cuts > 0 ? faultShim() : undefined
  if (shim !== undefined && 'notRun' in shim)
    throw new Error(`power cuts cannot be made here: ${shim.notRun}`)
  console.log(`soak: ${kills} kills, ${cuts} power cuts, seed ${seed}`)
  const series: readonly Series[] = [
    { what: 'kills', count: kills, run: crashRun },
    { what: 'cuts', count: cuts, run: ({ crashes, ...rest }) => powerLossRun({ ...rest, cuts: crashes }) },
  ]
  let faults = 0
  for (const each of series) if (each.count > 0) faults += await soak(each, seed)
  if (faults > 0) process.exitCode = 1
}

await main()
