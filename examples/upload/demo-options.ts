/** The command line of the demo. */
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { UsageError } from './demo-files.ts'
import { midFilePartsMin, midFileWanted } from './kill-moment.ts'
import {
  type BalancerName,
  balancerNames,
  isBalancerName,
  isPolicyName,
  type PolicyName,
  policyNames,
} from './strategies.ts'
import { partBytes } from './upload-manifest.ts'

const defaultPolicy: PolicyName = 'fcfs'
const defaultBalancer: BalancerName = 'power-of-two'

export const help = `usage: npm run demo [-- [DIRECTORY] [--cluster] [--policy NAME] [--balancer NAME] [--seed N] [--keep] [--json]]

Uploads all files of DIRECTORY to an object store that often fails, with four worker processes. In the middle of it one
worker is killed, and then the engine, which is started again. At the end it checks that every file arrived and that no
recorded work was done twice.

With --cluster three nodes on PostgreSQL do it instead of one engine. PostgreSQL is installed into this checkout the first time,
and runs until the demo ends. The node that has most uploads in mid-file is killed and stays away: the others go on with what
it had.

  DIRECTORY        its files are read, never changed. Default: the files of this repository and generated ones.
  --cluster        three nodes on PostgreSQL.
  --policy NAME    which task is next. Default ${defaultPolicy}.
                   ${policyNames}
  --balancer NAME  which worker gets it. Default ${defaultBalancer}.
                   ${balancerNames}
  --seed N         of the generated files and of the object store's failures. Default 1.
  --keep           keeps the temporary directory: the object store, its log, the engine's SQLite file or
                   the data of PostgreSQL.
  --json           prints one JSON object instead of the tables.
  --help           prints this.

The kills come half way, first the worker that runs most tasks, then the engine or the node, when at least ${midFileWanted} uploads are in
mid-file: some of their parts are recorded, others are not. If DIRECTORY has fewer than ${midFileWanted} files of ${midFilePartsMin} parts or more
(over ${((midFilePartsMin - 1) * partBytes) / 1024} KiB), the kills hit what there is.

Exit code 0: all is as promised. 1: a file differs, a recorded part was PUT again or lost, or an upload did not complete;
or, although there are enough large files, no worker was killed, or the kill of the engine or node hit fewer than ${midFileWanted} uploads
in mid-file. 2: wrong usage.

examples:
  npm run demo
  npm run demo -- --cluster
  npm run demo -- ~/Pictures
  npm run demo -- --policy sjf --balancer consistent-hash
  npm run --silent demo -- --json --seed 7`

export interface DemoOptions {
  readonly directory: string | undefined
  /** Three nodes instead of one engine. */
  readonly cluster: boolean
  readonly policy: PolicyName
  readonly balancer: BalancerName
  readonly seed: number
  readonly keep: boolean
  readonly json: boolean
  readonly help: boolean
}

export function readOptions(args: readonly string[]): DemoOptions {
  const { values, positionals } = parsed(args)
  if (positionals.length > 1) throw new UsageError('give one directory, or none')
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(seed)) throw new UsageError(`--seed ${values.seed} is not a whole number`)
  const { policy, balancer } = values
  if (!isPolicyName(policy))
    throw new UsageError(`there is no policy ${JSON.stringify(policy)}: give one of ${policyNames}`)
  if (!isBalancerName(balancer))
    throw new UsageError(`there is no balancer ${JSON.stringify(balancer)}: give one of ${balancerNames}`)
  const [given] = positionals
  // npm runs the script in the repository; INIT_CWD is where the user is.
  const directory = given === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), given)
  const { cluster, keep, json } = values
  return { directory, cluster, policy, balancer, seed, keep, json, help: values.help }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        cluster: { type: 'boolean', default: false },
        policy: { type: 'string', default: defaultPolicy },
        balancer: { type: 'string', default: defaultBalancer },
        seed: { type: 'string', default: '1' },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause })
  }
}
