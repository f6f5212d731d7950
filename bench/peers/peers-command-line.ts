/** The command line of `npm run bench -- peers`. */
import { parseArgs } from 'node:util'
import { UsageError } from '../command-line.ts'
import { SIDES, type SideName } from './peer-sides.ts'

export interface PeersCommandLine {
  readonly sides: readonly SideName[]
  readonly inFlight: readonly number[]
  readonly steps: number
  readonly rounds: number
  /** Of a round; undefined: as many as fit into `roundMs`. */
  readonly executions: number | undefined
  readonly roundMs: number
  readonly jobs: number
  readonly isJson: boolean
  readonly isHelp: boolean
}

const IN_FLIGHT = '1,64,1000'
const STEPS = 10
const ROUNDS = 3
const ROUND_MS = 4000
const JOBS = 100_000
const QUICK_SHARE = 10

const OPTIONS = {
  only: { type: 'string' },
  'in-flight': { type: 'string', default: IN_FLIGHT },
  steps: { type: 'string' },
  rounds: { type: 'string' },
  executions: { type: 'string' },
  jobs: { type: 'string' },
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export function parsePeersCommandLine(args: readonly string[]): PeersCommandLine {
  const values = parsed(args)
  const { quick, only } = values
  return {
    sides: only === undefined ? SIDES : sidesOf(only),
    inFlight: partsOf(values['in-flight']).map((part) => countOf('in-flight', part)),
    steps: optionalCount('steps', values.steps) ?? STEPS,
    rounds: optionalCount('rounds', values.rounds) ?? (quick ? 1 : ROUNDS),
    executions: optionalCount('executions', values.executions),
    roundMs: quick ? ROUND_MS / QUICK_SHARE : ROUND_MS,
    jobs: optionalCount('jobs', values.jobs) ?? (quick ? JOBS / QUICK_SHARE : JOBS),
    isJson: values.json,
    isHelp: values.help,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const partsOf = (text: string): string[] => text.split(',').map((part) => part.trim())

/** In the order of the tables, each once. */
function sidesOf(text: string): SideName[] {
  const names = partsOf(text)
  const unknown = names.filter((name) => !SIDES.some((side) => side === name))
  if (unknown.length > 0)
    throw new UsageError(`--only has '${unknown.join("', '")}', and there are ${SIDES.join(', ')}`)
  return SIDES.filter((side) => names.includes(side))
}

function optionalCount(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : countOf(name, text)
}

function countOf(name: string, text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`--${name} has '${text}', which is not a whole number of 1 or more`)
  return count
}

export const PEERS_HELP = `Usage: npm run bench -- peers [options]

Measures Perdure beside its peers: workflows of no-op steps, one after the other, and queues of no-op jobs. The sides take turns,
each in a process of its own on an empty store; each figure is the median of its rounds. What has a database uses the same
PostgreSQL server, with fsync and synchronous_commit on. All servers are on this machine, on 127.0.0.1.

The peers are npm packages, which are installed into bench/peers/node_modules when they are first wanted, and Debian's Redis.
One that cannot be installed, or fails, is said, the others go on, and the exit code is 1.

Options:
  --only NAME,...        of ${SIDES.slice(0, 4).join(', ')},
                         ${SIDES.slice(4).join(', ')}; default: all
  --in-flight N,...      executions at the same time; default ${IN_FLIGHT}
  --steps N              of an execution; default ${STEPS}
  --rounds N             default ${ROUNDS}
  --executions N         how many a round measures; default: ${ROUND_MS / 1000} s of them, and at least four for each in flight
  --jobs N               how many are enqueued and drained in a round; default ${JOBS}
  --quick                a tenth of the work, and one round
  --json                 lines of JSON: versions first, then one for each row of the tables

Examples:
  npm run bench -- peers
  npm run bench -- peers --only perdure-postgres,dbos --in-flight 64 --rounds 5
  npm run bench -- peers --quick --json
`
