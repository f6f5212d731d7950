// `perdure/client` runs where there is no Node: nothing that it loads is Node's, and it works with what the web has.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { createEngine, signal, silentLogger, workflow } from '../../src/index.ts'
import { importsOf, tokensOf } from '../architecture/source-tokens.ts'

const root = join(import.meta.dirname, '../..')
/** Without a dependency, and without Node. */
const PACKAGES = ['@cfworker/json-schema', 'croner']
/** Where it is looked at whether they are there. */
const CAREFUL = ['src/protocol/text-bytes.ts']

test('it loads nothing of Node', () => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const walk = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    const tokens = tokensOf(readFileSync(path, 'utf8'))
    const name = relative(root, path)
    for (const { kind, text } of tokens)
      if (kind === 'word' && ['Buffer', 'process', 'setImmediate', 'require', 'global'].includes(text))
        assert.ok(CAREFUL.includes(name), `${name} uses ${text}`)
    for (const { specifier, typeOnly } of importsOf(tokens)) {
      if (typeOnly) continue
      if (specifier.startsWith('.')) walk(join(dirname(path), specifier))
      else packages.add(specifier)
    }
  }
  walk(join(root, 'src/client.ts'))
  assert.ok(seen.size > 30, `${seen.size} files`)
  assert.deepEqual([...packages].sort(), PACKAGES)
})

test('it works with web globals alone', { timeout: 120_000 }, async () => {
  const go = signal<unknown>('go')
  const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })
  const engine = await createEngine({
    store: 'memory',
    workflows: [waiting],
    logger: silentLogger,
    shutdownGrace: 0,
  })
  try {
    const url = (await engine.listen()).url.replace('ws', 'http')
    const { status, output, errors } = await run(url)
    assert.equal(status, 0, errors)
    assert.deepEqual(JSON.parse(output), {
      sameBytes: true,
      at: 5,
      inMap: true,
      hasNothing: true,
      last: 'execution-completed',
      code: 'EXECUTION_NOT_FOUND',
    })
  } finally {
    await engine.close()
  }
})

function run(
  url: string,
): Promise<{ readonly status: number | null; readonly output: string; readonly errors: string }> {
  const flags = ['--experimental-vm-modules', '--experimental-import-meta-resolve', '--no-warnings']
  const program = join(import.meta.dirname, 'web-program.ts')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, program, url], { timeout: 60_000 })
    const texts = { output: '', errors: '' }
    child.stdout.on('data', (chunk) => (texts.output += chunk))
    child.stderr.on('data', (chunk) => (texts.errors += chunk))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, ...texts }))
  })
}
