/** The command line of the benchmark. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import type { StoreName } from './lanes.ts'
import type { Workload } from './workloads/workload.ts'

export class UsageError extends Error {}

export interface CommandLine {
  readonly workload: string
  readonly store: StoreName | undefined
  readonly inFlight: number | undefined
  readonly executions: number | undefined
  readonly rounds: number
  readonly isQuick: boolean
  readonly isJson: boolean
  readonly isHelp: boolean
  readonly nodeFlags: readonly string[]
  readonly directory: string
}

const OPTIONS = {
  store: { type: 'string' },
  'in-flight': { type: 'string' },
  executions: { type: 'string' },
  rounds: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  'node-flags': { type: 'string' },
  directory: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parsed(args)
  const { store, help = false, quick = false } = values
  if (store !== undefined && store !== 'sqlite' && store !== 'memory' && store !== 'postgres')
    throw new UsageError(`--store is '${store}', not sqlite, postgres or memory`)
  const [workload, ...more] = positionals
  if (more.length > 0) throw new UsageError(`one workload at a time, or 'all': ${more.join(' ')} is too much`)
  if (workload === 'peers') throw new UsageError("'peers' comes first, and has options of its own")
  if (workload === undefined && !help) throw new UsageError('name a workload')
  return {
    workload: workload ?? '',
    store,
    inFlight: countOf('in-flight', values['in-flight']),
    executions: countOf('executions', values.executions),
    rounds: countOf('rounds', values.rounds) ?? (quick ? 1 : 3),
    isQuick: quick,
    isJson: values.json ?? false,
    isHelp: help,
    nodeFlags: (values['node-flags'] ?? '').split(' ').filter((flag) => flag !== ''),
    directory: values.directory ?? tmpdir(),
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function countOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`--${name} is '${text}', not a whole number of 1 or more`)
  return count
}

export function helpText(
  workloads: readonly (Pick<Workload, 'name' | 'about'> & Partial<Workload>)[],
): string {
  const list = workloads.map(
    ({ name, about, stores = [] }) =>
      `  ${name.padEnd(10)} ${about}${stores.length > 0 ? ` (${stores.join(', ')})` : ''}`,
  )
  return `Usage: npm run bench -- WORKLOAD [options]

Measures the engine beside the bare loop: the same rows in the same commits, and no engine. Rounds of both alternate, each in
a process of its own; each figure is the median of its rounds. The first tenth of a round warms up and is not measured.

Workloads:
${list.join('\n')}
  peers      Perdure beside DBOS, Restate, pg-boss, graphile-worker and BullMQ; not one of 'all', and has options of its own:
             npm run bench -- peers --help
  all        all of them; ends with exit code 1 only if one could not be run, not for a target that was missed

Options:
  --store NAME           sqlite, postgres (a server of its own, with shared_buffers of 512 MB and max_wal_size of 8 GB)
                         or memory; default sqlite; history runs on two of them
  --in-flight N          executions at the same time; each workload has its own default
  --executions N         how many executions a round measures (history: how many steps); default: 6 seconds of them,
                         or what the workload says
  --rounds N             default 3
  --quick                a tenth of the work, and one round
  --json                 one line of JSON per result
  --node-flags FLAGS     for the processes of engine and bare loop alike, such as '--max-semi-space-size=32'
  --directory PATH       where the files go; default: the system's directory for temporary files. A file system in memory
                         makes fsync free, and the figures mean little

Examples:
  npm run bench -- steps
  npm run bench -- steps --in-flight 64 --json
  npm run bench -- history --store memory
  npm run bench -- sleepers --executions 100000 --rounds 1
  npm run bench -- all --quick
`
}
