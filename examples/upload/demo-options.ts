/** The command line of the demo. */
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { UsageError } from './demo-files.ts'
import { midFilePartsMin, midFileWanted } from './kill-moment.ts'
import { partBytes } from './upload-manifest.ts'

export const help = `usage: npm run demo [-- [DIRECTORY] [--seed N] [--keep] [--json]]

Uploads all files of DIRECTORY to an object store that often fails, kills the engine in the middle of it, starts it
again, and checks that every file arrived and that no recorded work was done twice.

  DIRECTORY   its files are read, never changed. Default: the files of this repository and generated ones.
  --seed N    of the generated files and of the object store's failures. Default 1.
  --keep      keeps the temporary directory: the object store, its log, the engine's SQLite file.
  --json      prints one JSON object instead of the table.
  --help      prints this.

The kill comes half way, when at least ${midFileWanted} uploads are in mid-file: some of their parts are recorded, others are not.
If DIRECTORY has fewer than ${midFileWanted} files of ${midFilePartsMin} parts or more (over ${((midFilePartsMin - 1) * partBytes) / 1024} KiB), the kill hits what there is.

Exit code 0: all is as promised. 1: a file differs, a recorded part was PUT again or lost, an upload did not complete,
or the kill hit fewer than ${midFileWanted} uploads in mid-file although there are enough large files. 2: wrong usage.

examples:
  npm run demo
  npm run demo -- ~/Pictures
  npm run --silent demo -- --json --seed 7`

export interface DemoOptions {
  readonly directory: string | undefined
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
  const [given] = positionals
  // npm runs the script in the repository; INIT_CWD is where the user is.
  const directory = given === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), given)
  return { directory, seed, keep: values.keep, json: values.json, help: values.help }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
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
