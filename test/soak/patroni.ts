// `npm run soak -- patroni`: two nodes over a PostgreSQL that Patroni runs, with etcd. Its primary is lost again and again, in
// every way that is in `fail-overs.ts`; callers remember what they were told; at the end all of it is held against the database.

import { parseArgs } from 'node:util'
import { FAIL_OVERS } from '../patroni/fail-overs.ts'
import { patroniPrograms } from '../patroni/patroni-programs.ts'
import { type PatroniRun, patroniRun } from '../patroni/patroni-run.ts'

const HELP = `npm run soak -- patroni [--minutes N] [--callers N] [--only KINDS]

  --minutes N   time for fail-overs (default 10). Each kind is done once, if that takes longer.
  --callers N   callers that work without a break (default 40)
  --only KINDS  of ${FAIL_OVERS.join(', ')}; several with commas
  --help        this text

Needs Debian's packages etcd-server, patroni and postgresql; as root they are installed.
Exit code 0: nothing acknowledged was lost or done twice. 1: it says what was wrong. 2: wrong usage.
`

interface Settings {
  readonly minutes: number
  readonly callers: number
  readonly kinds: readonly (typeof FAIL_OVERS)[number][]
}

export async function patroniSoak(args: readonly string[]): Promise<void> {
  let settings: Settings | 'help'
  try {
    settings = settingsOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  if (settings === 'help') {
    console.log(HELP)
    return
  }
  const programs = patroniPrograms()
  if ('missing' in programs) throw new Error(`there is no Patroni cluster here: ${programs.missing}`)
  const startedAtMs = performance.now()
  const say = (line: string): void => {
    console.log(`${((performance.now() - startedAtMs) / 1000).toFixed(0).padStart(5)} s  ${line}`)
  }
  const run = await patroniRun({ programs, ...settings, say })
  report(run)
  if (run.faults.length > 0) process.exitCode = 1
}

function settingsOf(args: readonly string[]): Settings | 'help' {
  const text = { type: 'string' } as const
  const options = { minutes: text, callers: text, only: text, help: { type: 'boolean' } } as const
  const { values } = parseArgs({ args: [...args], options })
  if (values.help === true) return 'help'
  const kinds = (values.only?.split(',') ?? FAIL_OVERS).map((word) => {
    const kind = FAIL_OVERS.find((each) => each === word)
    if (kind === undefined) throw new TypeError(`--only is one of ${FAIL_OVERS.join(', ')}, not '${word}'`)
    return kind
  })
  return {
    minutes: positive(values.minutes ?? '10', '--minutes'),
    callers: positive(values.callers ?? '40', '--callers'),
    kinds,
  }
}

function positive(text: string, option: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number) || number <= 0)
    throw new TypeError(`${option} is '${text}', not a number above 0`)
  return number
}

function report(run: PatroniRun): void {
  console.log('\nfail-over        times  callers wait p50 s    p99 s    longest s')
  for (const kind of FAIL_OVERS) {
    const done = run.failOvers.filter((each) => each.kind === kind)
    if (done.length === 0) continue
    const pauses = done.flatMap(({ pausesMs }) => pausesMs).sort((a, b) => a - b)
    const at = (share: number): string => {
      const index = Math.min(pauses.length - 1, Math.floor(pauses.length * share))
      return ((pauses[index] ?? 0) / 1000).toFixed(1)
    }
    const columns = [kind.padEnd(15), String(done.length).padStart(6), at(0.5).padStart(19)]
    console.log([...columns, at(0.99).padStart(8), at(1).padStart(12)].join(' '))
  }
  const again = [...run.askedAgain].map(([code, count]) => `${count} ${code}`).join(', ') || 'none'
  console.log(
    `\n${run.acknowledgements} acknowledgements of ${run.executions} executions held against ` +
      `${run.checked.runs} runs with ${run.checked.events} events; ` +
      `${run.unknownCommitsSettled} unknown commits settled; asked again by callers: ${again}; ${run.faults.length} faults`,
  )
  for (const fault of run.faults) console.error(fault)
}
