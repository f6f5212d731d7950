// `npm test`: types and lint, then every test file of src/ and test/.
//
//   npm test                          everything
//   npm test -- queue src/store       only test files whose path contains one of the words; no types, no lint
//   npm test -- queue --test-name-pattern=fifo    options of `node --test` are passed on

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  lintPart,
  type Part,
  printResults,
  runParts,
  testFilesOf,
  testPart,
  typesPart,
} from '../scripts/parts.ts'
import { MEMORY_FOLDER, makeMemoryFolder } from './memory-folder.ts'

const args = process.argv.slice(2)
const options = args.filter((arg) => arg.startsWith('--test-'))
const words = args.filter((arg) => !arg.startsWith('--test-'))

const unknown = words.find((word) => word.startsWith('-'))
if (unknown !== undefined) refuse(`unknown option ${unknown}; options of node --test start with --test-`)

const all = testFilesOf(['src/**/*.test.ts', 'test/**/*.test.ts'])
const files = words.length === 0 ? all : all.filter((file) => words.some((word) => file.includes(word)))
if (files.length === 0) refuse(`no test file matches ${words.join(' or ') || 'src/ or test/'}`)

const parts: Part[] = [testPart(`tests (${files.length} files)`, files, options)]
if (words.length === 0) parts.unshift(typesPart, lintPart)

console.log(`perdure tests on Node ${process.version} (${process.platform} ${process.arch})`)

// Whatever a test leaves behind in its temporary directory goes away with this one.
const temporary = mkdtempSync(join(tmpdir(), 'perdure-test-'))
// Some tests run as a user to whom permissions apply.
chmodSync(temporary, 0o755)
const memory = makeMemoryFolder()
try {
  const env = {
    ...process.env,
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    // Hundreds of processes load the same sources: what one has stripped of types and compiled, the others take.
    NODE_COMPILE_CACHE: join(temporary, 'compiled'),
    ...(memory === undefined ? {} : { [MEMORY_FOLDER]: memory.path }),
  }
  if (!printResults(await runParts(parts, env))) process.exitCode = 1
} finally {
  await memory?.remove()
  rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
}

function refuse(reason: string): never {
  console.error(`perdure tests: ${reason}`)
  process.exit(2)
}
