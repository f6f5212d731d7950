// The parts that `npm test` and `npm run check` are made of: each a child process on the pinned Node, timed.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

export const root = dirname(import.meta.dirname)

// The suites are sized for two cores; beyond eight, files of seconds each gain nothing.
const testProcessesMin = 2
const testProcessesMax = 8

// One test; a whole file has a little more, see test/watchdog.ts.
const testTimeoutMs = 8 * 60_000

// Beyond this a part is stuck in a way that its own limits do not see, such as an endless loop.
const partLimitMs = 60 * 60_000

// `import … from 'perdure'`, as in the examples, finds src/ and not what `npm run build` made of it.
const sourcesCondition = '--conditions=perdure-source'

export interface Part {
  readonly name: string
  readonly args: readonly string[]
}

export interface PartResult {
  readonly name: string
  readonly ok: boolean
  readonly tookMs: number
}

export const typesPart: Part = {
  name: 'types',
  args: [join(root, 'node_modules', 'typescript', 'bin', 'tsc')],
}

export const lintPart: Part = {
  name: 'lint',
  args: [join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings'],
}

export function testFilesOf(patterns: readonly string[]): string[] {
  return globSync(patterns, { cwd: root }).toSorted()
}

/** Runs test files with Node's own runner. `options` are further options of `node --test`. */
export function testPart(name: string, files: readonly string[], options: readonly string[] = []): Part {
  const processes = Math.min(Math.max(availableParallelism(), testProcessesMin), testProcessesMax)
  const own = [`--test-concurrency=${processes}`, `--test-timeout=${testTimeoutMs}`, '--test-reporter=spec']
  for (const file of ['watchdog.ts', 'property-seed.ts'])
    own.push('--import', pathToFileURL(join(root, 'test', file)).href)
  return { name, args: [sourcesCondition, '--test', ...own, ...options, ...files] }
}

/** Runs parts one after the other; what they print goes to the terminal. A signal ends the current part and the run. */
export async function runParts(
  parts: readonly Part[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<PartResult[]> {
  const results: PartResult[] = []
  let current: ChildProcess | undefined
  let interrupted = false
  const stop = (signal: NodeJS.Signals): void => {
    interrupted = true
    // A terminal sends Ctrl-C to the whole group; a second one would read as "stop at once".
    if (signal !== 'SIGINT' || !process.stdin.isTTY) current?.kill(signal)
  }
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  try {
    for (const part of parts) {
      const startedAtMs = performance.now()
      current = spawn(process.execPath, part.args, { cwd: root, env, stdio: 'inherit', timeout: partLimitMs })
      const [code]: (number | null)[] = await once(current, 'exit')
      results.push({
        name: part.name,
        ok: code === 0 && !interrupted,
        tookMs: performance.now() - startedAtMs,
      })
      if (interrupted) break
    }
  } finally {
    for (const signal of signals) process.off(signal, stop)
  }
  return results
}

/** Prints one line per part and the total; true when all parts passed. */
export function printResults(results: readonly PartResult[]): boolean {
  const totalMs = results.reduce((sum, result) => sum + result.tookMs, 0)
  const rows = [...results, { name: 'total', ok: results.every((result) => result.ok), tookMs: totalMs }]
  const nameWidth = Math.max(...rows.map((row) => row.name.length))
  console.log()
  for (const row of rows) {
    console.log(
      `${row.ok ? 'ok  ' : 'FAIL'}  ${row.name.padEnd(nameWidth)}  ${(row.tookMs / 1000).toFixed(1).padStart(6)} s`,
    )
  }
  return rows.every((row) => row.ok)
}
