/** Plants each bug in a copy of the repository, and simulates seeds there, or runs a test file, until it is caught. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { applyPatch, parsePatch } from './apply-patch.ts'
import { type Mutant, mutants } from './mutants.ts'

const root = dirname(dirname(import.meta.dirname))
/** A hunt that takes longer has not caught its bug. */
const HUNT_LIMIT_MS = 240_000
/** A seed takes a tenth of a second: one that takes this long spins, and that is how its bug shows itself. */
const SEED_LIMIT_MS = 20_000
const COPIED = ['src', 'test/simulation', 'test/mutants/hunt.ts', 'package.json', 'tsconfig.json']
const COPIED_FOR_SUITES = ['src', 'test', 'scripts', 'examples', 'package.json', 'tsconfig.json']
/** What is installed is shared. */
const INSTALLED = ['node_modules', 'test/postgres/node_modules']
/** A test that waits for what the bug has lost. */
const TEST_LIMIT_MS = 20_000

export interface Catch {
  readonly name: string
  readonly what: string
  /** Seeds that were simulated. */
  readonly seeds: number
  /** What the checker said; null: not caught. */
  readonly violation: string | null
}

export async function huntAll(
  onCaught?: (caught: Catch) => void,
  hunted: readonly Mutant[] = mutants,
): Promise<Catch[]> {
  const caught = new Map<string, Catch>()
  const waiting = [...hunted]
  const lane = async (): Promise<void> => {
    using copies = new Copies()
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const found = await hunt(mutant, copies.for(mutant))
      caught.set(mutant.name, found)
      onCaught?.(found)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return hunted.map(({ name, what }) => caught.get(name) ?? { name, what, seeds: 0, violation: null })
}

/** Of the repository, for one bug after the other: what has not changed between them is compiled once. */
class Copies implements Disposable {
  readonly #copies = new Map<readonly string[], string>()

  for({ suite }: Mutant): string {
    const paths = suite === undefined ? COPIED : COPIED_FOR_SUITES
    const copy = this.#copies.get(paths) ?? copyOf(paths)
    this.#copies.set(paths, copy)
    return copy
  }

  [Symbol.dispose](): void {
    for (const copy of this.#copies.values()) rmSync(copy, { recursive: true, force: true, maxRetries: 3 })
  }
}

function copyOf(paths: readonly string[]): string {
  const copy = mkdtempSync(join(tmpdir(), 'perdure-mutants-'))
  for (const path of paths) {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    cpSync(join(root, path), join(copy, path), {
      recursive: true,
      filter: (from) => basename(from) !== 'node_modules',
    })
  }
  for (const path of INSTALLED)
    if (existsSync(join(root, path)) && existsSync(dirname(join(copy, path))))
      symlinkSync(join(root, path), join(copy, path), 'junction')
  return copy
}

async function hunt(mutant: Mutant, copy: string): Promise<Catch> {
  const { name, patch = name, what, suite } = mutant
  let takeOut: () => void
  try {
    takeOut = plant(patch, copy)
  } catch (error) {
    throw new Error(`the bug ${name} cannot be planted: make its patch fit the code again`, { cause: error })
  }
  try {
    const found = suite === undefined ? simulateSeeds(copy, mutant) : runSuite(copy, suite, mutant.test)
    return { name, what, ...(await found) }
  } finally {
    takeOut()
  }
}

/**
 * Throws if the patch does not apply: then nothing is planted.
 *
 * @returns what takes the bug out again
 */
export function plant(name: string, copy: string): () => void {
  const before = new Map<string, string>()
  const planted = new Map<string, string>()
  for (const patch of parsePatch(readFileSync(join(import.meta.dirname, `${name}.patch`), 'utf8'))) {
    const path = join(copy, patch.path)
    const text = planted.get(path) ?? readFileSync(path, 'utf8')
    if (!before.has(path)) before.set(path, text)
    planted.set(path, applyPatch(text, patch))
  }
  const write = (texts: ReadonlyMap<string, string>): void => {
    for (const [path, text] of texts) writeFileSync(path, text)
  }
  write(planted)
  return () => write(before)
}

type Finding = Pick<Catch, 'seeds' | 'violation'>

/** The first test of the file that fails. */
async function runSuite(copy: string, suite: string, only: string | undefined): Promise<Finding> {
  const pattern =
    only === undefined ? [] : [`--test-name-pattern=${only.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`]
  const child = spawn(
    process.execPath,
    ['--test', '--test-reporter=tap', `--test-timeout=${TEST_LIMIT_MS}`, ...pattern, join(copy, suite)],
    // A group of its own: what a bug has hung must not outlive its hunt.
    { cwd: copy, stdio: ['ignore', 'pipe', 'inherit'], detached: true, env: environmentOf(copy) },
  )
  const end = (): void => {
    try {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      // It has ended in this moment.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  const late = setTimeout(end, HUNT_LIMIT_MS)
  // Those of a database stop their servers themselves.
  const mayEnd = !/postgres/.test(suite)
  const closed = once(child, 'close')
  let failed: string | undefined
  for await (const line of createInterface(child.stdout)) {
    const [, test] = /^\s*not ok \d+ - (.*)$/.exec(line) ?? []
    failed ??= test
    if (test !== undefined && mayEnd) end()
  }
  const [code] = (await closed) as [number | null]
  clearTimeout(late)
  // The file itself fails when it does not load: then nothing was tested.
  if (failed === join(copy, suite)) throw new Error(`${suite} does not run in ${copy}`)
  if (code !== 0 && failed === undefined)
    throw new Error(`${suite} in ${copy} ended with code ${code} and no failed test`)
  return { seeds: 0, violation: failed === undefined ? null : `test "${failed}" fails` }
}

/** Without that of the test that runs this; what is compiled of a copy is of use to the bugs after it alone. */
function environmentOf(copy: string): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env
  return { ...rest, NODE_COMPILE_CACHE: join(copy, 'compiled') }
}

/** `hunt.ts` says which seed it begins, a line each, and last what it found. */
async function simulateSeeds(
  copy: string,
  { seeds: count, firstSeed = 1, kind = 'executions' }: Mutant,
): Promise<Finding> {
  const child = spawn(
    process.execPath,
    [join(copy, 'test/mutants/hunt.ts'), String(firstSeed), String(count), kind],
    { cwd: copy, stdio: ['ignore', 'pipe', 'inherit'], env: environmentOf(copy) },
  )
  const closed = once(child, 'close')
  let seed = firstSeed
  let begunMs = performance.now()
  const startMs = begunMs
  let finding: Finding | undefined
  const watch = setInterval(() => {
    const nowMs = performance.now()
    const seeds = seed - firstSeed + 1
    if (nowMs - begunMs > SEED_LIMIT_MS) finding = { seeds, violation: `seed ${seed} does not end` }
    else if (nowMs - startMs > HUNT_LIMIT_MS) finding = { seeds, violation: null }
    else return
    clearInterval(watch)
    child.kill('SIGKILL')
  }, 1000)
  for await (const line of createInterface(child.stdout)) {
    const said = JSON.parse(line) as { readonly begins: number } | Finding
    if ('begins' in said) {
      seed = said.begins
      begunMs = performance.now()
    } else finding = said
  }
  const [code] = (await closed) as [number | null]
  clearInterval(watch)
  if (finding === undefined) throw new Error(`the hunt in ${copy} ended with code ${code} at seed ${seed}`)
  return finding
}

/** What the page of `docs/` says of a bug; undefined: it is not there, or no simulation catches it. */
export function seedsOnPage(page: string, name: string): number | undefined {
  const row = page.split('\n').find((line) => line.startsWith(`| ${name} |`))
  const seeds = Number(row?.split('|')[3])
  return seeds > 0 ? seeds : undefined
}

/** The page of `docs/`. */
export function mutantsPage(caught: readonly Catch[]): string {
  const rows = caught.map(({ name, what, seeds, violation }) => {
    const said = (violation ?? 'not caught').replace(/[0-9A-HJKMNP-TV-Z]{26}/g, 'RUN').replaceAll('|', '\\|')
    return `| ${name} | ${what} | ${seeds === 0 ? '' : seeds} | ${said.length > 110 ? `${said.slice(0, 110)}…` : said} |`
  })
  return `# Planted bugs

Each row is a bug that is planted in a copy of the repository (\`test/mutants/*.patch\`); then the simulation
runs there, seed after seed, until its checker says that a promise is broken; or, without a number of seeds, a test file. A bug that is not caught fails the tests.
This page is written by \`node test/mutants/run.ts --write\`.

| bug | what is broken | seeds until caught | what the checker says first |
|---|---|---|---|
${rows.join('\n')}
`
}
