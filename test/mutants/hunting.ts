/** Plants each bug in a copy of the repository, and simulates seeds there until it is caught. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { applyPatch, parsePatch } from './apply-patch.ts'
import { type Mutant, mutants } from './mutants.ts'

const root = dirname(dirname(import.meta.dirname))
const FIRST_SEED = 1
/** A hunt that takes longer has not caught its bug. */
const HUNT_LIMIT_MS = 60_000
const COPIED = ['src', 'test/simulation', 'test/mutants/hunt.ts', 'package.json', 'tsconfig.json']

export interface Catch {
  readonly name: string
  readonly what: string
  /** Seeds that were simulated. */
  readonly seeds: number
  /** What the checker said; null: not caught. */
  readonly violation: string | null
}

export async function huntAll(onCaught?: (caught: Catch) => void): Promise<Catch[]> {
  const caught = new Map<string, Catch>()
  const waiting = [...mutants]
  const lane = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const found = await hunt(mutant)
      caught.set(mutant.name, found)
      onCaught?.(found)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return mutants.map(({ name, what }) => caught.get(name) ?? { name, what, seeds: 0, violation: null })
}

async function hunt({ name, what, seeds }: Mutant): Promise<Catch> {
  const copy = mkdtempSync(join(tmpdir(), `perdure-mutant-${name}-`))
  try {
    for (const path of COPIED) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      cpSync(join(root, path), join(copy, path), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
    try {
      plant(name, copy)
    } catch (error) {
      throw new Error(`the bug ${name} cannot be planted: make its patch fit the code again`, {
        cause: error,
      })
    }
    const said = await output(copy, [String(FIRST_SEED), String(seeds)])
    return { name, what, ...(JSON.parse(said) as Pick<Catch, 'seeds' | 'violation'>) }
  } finally {
    rmSync(copy, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Throws if the patch does not apply. */
export function plant(name: string, copy: string): void {
  for (const patch of parsePatch(readFileSync(join(import.meta.dirname, `${name}.patch`), 'utf8'))) {
    const path = join(copy, patch.path)
    writeFileSync(path, applyPatch(readFileSync(path, 'utf8'), patch))
  }
}

async function output(copy: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(copy, 'test/mutants/hunt.ts'), ...args], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), HUNT_LIMIT_MS)
  const [code, signal]: (number | string | null)[] = await once(child, 'close')
  clearTimeout(limit)
  if (signal === 'SIGKILL') return JSON.stringify({ seeds: 0, violation: null })
  if (code !== 0) throw new Error(`the hunt in ${copy} ended with code ${code}: ${text}`)
  return text
}

/** The page of `docs/`. */
export function mutantsPage(caught: readonly Catch[]): string {
  const rows = caught.map(({ name, what, seeds, violation }) => {
    const said = (violation ?? 'not caught').replace(/[0-9A-HJKMNP-TV-Z]{26}/g, 'RUN').replaceAll('|', '\\|')
    return `| ${name} | ${what} | ${seeds} | ${said.length > 110 ? `${said.slice(0, 110)}…` : said} |`
  })
  return `# Planted bugs

Each row is a bug that is planted in a copy of the repository (\`test/mutants/*.patch\`); then the simulation
runs there, seed after seed, until its checker says that a promise is broken. A bug that is not caught fails the tests.
This page is written by \`node test/mutants/run.ts --write\`.

| bug | what is broken | seeds until caught | what the checker says first |
|---|---|---|---|
${rows.join('\n')}
`
}
