// `npm run soak`: the mixed workload under many crashes of its process, on real files, checked by an independent reader.
//
//   npm run soak                          10,000 SIGKILLs, about half an hour on two cores
//   npm run soak -- --kills 500 --seed 7  500 SIGKILLs; a seed repeats the choice of instants, not their exact effect

import { parseArgs } from 'node:util'
import { type CrashResult, crashRun } from '../faults/crash-run.ts'
import { checkEvidence } from '../faults/file-checker.ts'

const HELP = `npm run soak -- [--kills N] [--seed S]

  --kills N   SIGKILLs in all (default 10000). A new file is begun, and the old one checked, every 500.
  --seed S    seed of the instants and of everything else that is drawn (default: from the clock)
  --help      this text

Exit code 0: nothing acknowledged was lost, no recorded step ran again. 1: it says what was wrong. 2: wrong usage.
`

/** Lives on one file: the check of a file takes longer the more there is in it. */
const LIVES_PER_FILE = 500
const PROGRESS_EVERY = 25

interface Settings {
  readonly kills: number
  readonly seed: number
}

function settings(args: readonly string[]): Settings | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: { kills: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help === true) return 'help'
  return {
    kills: wholeNumber(values.kills ?? '10000', '--kills', 1),
    seed: wholeNumber(values.seed ?? String(Date.now() % 1_000_000), '--seed', 0),
  }
}

function wholeNumber(text: string, option: string, least: number): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < least)
    throw new TypeError(`${option} is ${text}, not a whole number of ${least} or more`)
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

async function soak({ kills, seed }: Settings): Promise<boolean> {
  const startedAtMs = performance.now()
  let done = 0
  let [inFlight, whileOpening, runs, acknowledgements, steps, faults] = [0, 0, 0, 0, 0, 0]
  const progress = (): void => {
    const tookMs = performance.now() - startedAtMs
    const leftMin = ((tookMs / Math.max(done, 1)) * (kills - done)) / 60_000
    const line = `${done} of ${kills} kills, ${faults} faults, about ${leftMin.toFixed(1)} min left`
    process.stderr.write(process.stderr.isTTY ? `\r${line}    ` : `${line}\n`)
  }
  console.log(`soak: ${kills} kills, seed ${seed}`)
  for (let file = 0; done < kills; file++) {
    const before = done
    const crashes = Math.min(LIVES_PER_FILE, kills - before)
    const onProgress = (crashed: number): void => {
      done = before + crashed
      if (done % PROGRESS_EVERY === 0) progress()
    }
    const result = await crashRun({ seed: seed + file, crashes, onProgress })
    inFlight += result.inFlight
    whileOpening += result.whileOpening
    runs += result.contents.runs.size
    acknowledgements += result.log.acknowledgements
    steps += result.ledger.length
    for (const fault of faultsOf(result)) {
      faults += 1
      console.error(`\nseed ${seed + file}: ${fault}`)
    }
  }
  console.log(
    `\n${done} kills: ${inFlight} with work in flight, ${whileOpening} while opening; ${runs} runs, ` +
      `${acknowledgements} acknowledgements, ${steps} step executions, ${faults} faults, ` +
      `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`,
  )
  return faults === 0
}

async function main(): Promise<void> {
  let chosen: Settings | 'help'
  try {
    chosen = settings(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  if (chosen === 'help') console.log(HELP)
  else if (!(await soak(chosen))) process.exitCode = 1
}

await main()
