// Plants every bug and shows how many seeds it takes to catch it.
//
//   node test/mutants/run.ts            print the table
//   node test/mutants/run.ts --write    write it to docs/mutants.md

import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { huntAll, mutantsPage } from './hunting.ts'

const caught = await huntAll(({ name, seeds, violation }) =>
  console.error(`${name}: ${violation === null ? 'NOT CAUGHT' : 'caught'} after ${seeds} seeds`),
)
const page = mutantsPage(caught)
if (process.argv.includes('--write'))
  writeFileSync(join(dirname(dirname(import.meta.dirname)), 'docs', 'mutants.md'), page)
console.log(page)
if (caught.some(({ violation }) => violation === null)) process.exitCode = 1
