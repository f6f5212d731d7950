/** The version before this one, packed, to be run beside it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { NodeProcessOptions } from '../postgres/cluster-nodes.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const TESTS = join(ROOT, 'test', 'postgres')

/** Installs it, with what it depends on from here, and beside it the program of a node. Answers that. */
export function installEarlier(folder: string): NodeProcessOptions {
  const modules = join(folder, 'node_modules')
  const home = join(modules, 'perdure')
  mkdirSync(home, { recursive: true })
  const packed = join(ROOT, 'test', 'fixtures', 'earlier-version.tgz')
  execFileSync('tar', ['xzf', packed, '--strip-components=1', '-C', home])
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const file of ['node-process.ts', 'cluster-workload.ts']) {
    const text = readFileSync(join(TESTS, file), 'utf8')
    assert.match(text, /'\.\.\/\.\.\/src\/index\.ts'/)
    writeFileSync(join(folder, file), text.replaceAll("'../../src/index.ts'", "'perdure'"))
  }
  return { program: join(folder, 'node-process.ts'), execArgv: [] }
}
