// The house rules, checked on the repository itself; and the checks, on small inputs that break each rule.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { describe, test } from 'node:test'
import { type Lockfile, lockfileFaults } from './architecture/lockfile-rules.ts'
import {
  cycleFaults,
  importFaults,
  lengthFaults,
  machinePathFaults,
  nameFaults,
  purityFaults,
  rootFaults,
  type SourceFile,
} from './architecture/rules.ts'
import { importsOf, tokensOf } from './architecture/source-tokens.ts'

const root = dirname(import.meta.dirname)

const readSource = (path: string): SourceFile => ({ path, text: readFileSync(join(root, path), 'utf8') })
const listFiles = (patterns: string[]): string[] =>
  globSync(patterns, { cwd: root }).map((path) => path.split(sep).join('/'))

/** Files that git tracks and that exist, or undefined outside a git checkout. */
function trackedFiles(): string[] | undefined {
  if (!existsSync(join(root, '.git'))) return undefined
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
}

const tracked = trackedFiles()
const skip = tracked === undefined ? 'not a git checkout' : false

describe('this repository', () => {
  const source = listFiles(['src/**/*.ts']).map(readSource)
  const code = listFiles(['{src,test,scripts,examples,bench}/**/*.{ts,mjs}']).filter(
    (path) => !path.includes('node_modules/'),
  )

  test('imports point downwards only', () => assert.deepEqual(importFaults(source), []))
  test('core is pure and synchronous', () => assert.deepEqual(purityFaults(source), []))
  test('only lists, inboxes and history may be read from a replica', () => {
    const asking = source
      .filter(({ text }) => /\bshownReads\(|(?<!\.)\.shown\b(?!\()/.test(text))
      .map(({ path }) => path)
    assert.deepEqual(asking.sort(), [
      'src/engine/client-calls.ts',
      'src/engine/people/people-calls.ts',
      'src/engine/schedules/schedule-calls.ts',
      'src/engine/tasks/task-calls.ts',
      'src/server/embedded-engine.ts',
      'src/store/contract/shown-reads.ts',
      'src/store/postgres/postgres-store.ts',
    ])
  })
  test('has no import cycle', () => assert.deepEqual(cycleFaults(code.map(readSource)), []))
  test('names its files well', () => assert.deepEqual(nameFaults(code), []))
  test('has no file over 500 lines', () => assert.deepEqual(lengthFaults(code.map(readSource)), []))
  test('keeps its root small', { skip }, () => assert.deepEqual(rootFaults(tracked ?? []), []))
  test('names no path of one machine', { skip }, () => {
    const texts = (tracked ?? []).map(readSource).filter((file) => !file.text.includes('\0'))
    assert.deepEqual(machinePathFaults(texts), [])
  })
  test('has a lockfile for every platform that names no registry', () => {
    const lockfile: Lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    assert.deepEqual(lockfileFaults(lockfile), [])
    for (const platform of ['linux-x64', 'linux-arm64', 'win-x64']) {
      assert.ok(`node_modules/node-${platform}` in lockfile.packages, `the pinned Node of ${platform}`)
    }
  })
})

describe('the import table', () => {
  const faultsOf = (path: string, text: string): number => importFaults([{ path, text }]).length
  const cases: [path: string, text: string, faults: number][] = [
    ['src/protocol/ids.ts', "import { x } from './events.ts'", 0],
    ['src/protocol/ids.ts', "import type { X } from '../core/queue/x.ts'", 1],
    ['src/protocol/ids.ts', "import { randomBytes } from 'node:crypto'", 1],
    ['src/core/queue/fcfs.ts', "import { x } from '../../protocol/ids.ts'", 0],
    ['src/core/queue/fcfs.ts', "import { x } from './aging.ts'", 0],
    ['src/core/queue/fcfs.ts', "import { x } from '../execution/x.ts'", 1],
    ['src/core/balance/random.ts', "import type { X } from '../queue/x.ts'", 1],
    ['src/core/queue/fcfs.ts', "import fs from 'node:fs'", 1],
    ['src/core/queue/fcfs.ts', "import { z } from 'zod'", 1],
    ['src/core/queue/fcfs.ts', "import { x } from '../../platform/clock.ts'", 1],
    ['src/core/queue/fcfs.ts', "const x = await import('../../engine/shard.ts')", 1],
    ['src/core/queue/fcfs.test.ts', "import { test } from 'node:test'", 0],
    ['src/platform/clock.ts', "import { x } from '../core/x.ts'", 1],
    ['src/store/sqlite/store.ts', "import { DatabaseSync } from 'node:sqlite'", 0],
    ['src/store/sqlite/store.ts', "import type { X } from '../../core/execution/x.ts'", 0],
    ['src/store/sqlite/store.ts', "import { x } from '../../core/execution/x.ts'", 1],
    ['src/store/sqlite/store.ts', "import { type X } from '../../core/execution/x.ts'", 1],
    ['src/store/sqlite/store.ts', "import { x } from '../../engine/x.ts'", 1],
    ['src/engine/shard.ts', "import type { Store } from '../store/contract/store.ts'", 0],
    ['src/engine/shard.ts', "import type { Store } from '../store/contracts.ts'", 1],
    ['src/engine/shard.ts', "import { memoryStore } from '../store/memory/memory-store.ts'", 1],
    ['src/engine/shard.ts', "export { x } from '../sdk/x.ts'", 1],
    ['src/engine/shard.ts', "import { x } from '../index.ts'", 1],
    ['src/sdk/worker.ts', "import { x } from '../engine/x.ts'", 1],
    ['src/sdk/worker.ts', "import { x } from './worker.test.ts'", 1],
    ['src/sdk/worker.ts', "import { x } from '../platform/clock'", 1],
    ['src/sdk/worker.ts', "import { x } from 'perdure/testing'", 1],
    ['src/sdk/worker.ts', "import { x } from '../../test/contract/store.ts'", 1],
    ['src/dsl/run.ts', "import { x } from '../sdk/context.ts'", 0],
    ['src/dsl/run.ts', "import { x } from '../platform/clock.ts'", 1],
    ['src/lab/run.ts', "import { x } from '../core/queue/fcfs.ts'", 0],
    ['src/lab/run.ts', "import { x } from '../engine/shard.ts'", 1],
    ['src/server/main.ts', "import { x } from '../store/sqlite/store.ts'", 0],
    ['src/server/main.ts', "import { x } from '../cli/main.ts'", 1],
    ['src/cli/main.ts', "import { x } from '../server/main.ts'; import { y } from '../index.ts'", 0],
    ['src/index.ts', "export * from './sdk/workflow.ts'; import './store/sqlite/store.ts'", 0],
    ['src/surprise/x.ts', '', 1],
  ]
  for (const [path, text, faults] of cases) {
    test(`${path}: ${text || 'an unknown layer'} is ${faults === 0 ? 'allowed' : 'a fault'}`, () => {
      assert.equal(faultsOf(path, text), faults)
    })
  }
})

describe('the other rules can fail', () => {
  const impurities = (text: string): number => purityFaults([{ path: 'src/core/x.ts', text }]).length

  test('core: asynchrony, clocks, timers, randomness, the process', () => {
    const impure = [
      'async () => 1',
      'const now = Date.now()',
      'x = new Date()',
      'f(Math.random)',
      'let d: Date',
    ]
    impure.push('setTimeout(f, 1)', 'a ? process : b', 'for await (const x of y) {}', 'x = `${Date.now()}`')
    for (const text of impure) assert.ok(impurities(text) > 0, text)
  })

  test('core: the same words as text, comment or property are fine', () => {
    const pure = [
      "const text = 'async Date'",
      '// Date.now()',
      '/* async */',
      '`Date.now()`',
      'x.process',
      'Math.max(1, 2)',
    ]
    pure.push(
      'const x = { process: 1 }',
      'interface X { readonly process?: string }',
      'const y = /async/.test(x)',
    )
    for (const text of pure) assert.equal(impurities(text), 0, text)
    assert.deepEqual(purityFaults([{ path: 'src/engine/x.ts', text: 'Date.now()' }]), [])
  })

  test('cycles, also by type and over three files', () => {
    const chain: SourceFile[] = [
      { path: 'src/a.ts', text: "import './b.ts'" },
      { path: 'src/b.ts', text: "import type { C } from './x/c.ts'" },
      { path: 'src/x/c.ts', text: "export * from '../a.ts'" },
      { path: 'src/d.ts', text: "import './a.ts'" },
    ]
    assert.deepEqual(cycleFaults(chain), ['import cycle: src/a.ts -> src/b.ts -> src/x/c.ts -> src/a.ts'])
    assert.deepEqual(cycleFaults(chain.slice(1)), [])
    assert.equal(cycleFaults([{ path: 'src/self.ts', text: "import './self.ts'" }]).length, 1)
  })

  test('names', () => {
    assert.deepEqual(
      nameFaults(['src/core/task-queue.ts', 'src/core/task-queue.test.ts', 'src/store/001-first.sql']),
      [],
    )
    const bad = [
      'src/TaskQueue.ts',
      'src/task_queue.ts',
      'src/utils.ts',
      'src/helpers/x.ts',
      'src/session-manager.ts',
    ]
    bad.push('src/lib/x.ts', 'src/common.test.ts', 'src/a--b.ts')
    for (const path of bad) assert.ok(nameFaults([path]).length > 0, path)
  })

  test('length', () => {
    assert.deepEqual(lengthFaults([{ path: 'a.ts', text: 'x\n'.repeat(500) }]), [])
    assert.equal(lengthFaults([{ path: 'a.ts', text: 'x\n'.repeat(501) }]).length, 1)
  })

  test('root', () => {
    const folders = Array.from({ length: 17 }, (_, index) => `folder-${index}/x.ts`)
    assert.deepEqual(rootFaults([...folders, 'folder-1/y.ts']), [])
    assert.equal(rootFaults([...folders, 'README.md']).length, 1)
    const configs = Array.from({ length: 8 }, (_, index) => `tool-${index}.json`)
    assert.deepEqual(rootFaults([...configs, 'README.md', 'LICENSE']), [])
    assert.equal(rootFaults([...configs, '.toolrc']).length, 1)
  })

  test('machine paths', () => {
    const faultsOf = (text: string): number => machinePathFaults([{ path: 'a.md', text }]).length
    for (const path of ['work/main', 'tmp/proto-x']) assert.equal(faultsOf(`see (/${path})`), 1, path)
    for (const text of ['at work/main', 'docs/work/x.md', '/workflows/x', '/tmp/x'])
      assert.equal(faultsOf(text), 0, text)
  })

  test('lockfile', () => {
    const good = { version: '1.0.0', integrity: 'sha512-x' }
    assert.deepEqual(lockfileFaults({ packages: { '': {}, 'node_modules/a': good } }), [])
    const faulty: Lockfile[] = [
      { packages: { 'node_modules/a': { ...good, resolved: 'https://registry.example/a.tgz' } } },
      { packages: { 'node_modules/a': {} } },
      { packages: { 'node_modules/a': { ...good, optionalDependencies: { 'a-darwin': '1.0.0' } } } },
    ]
    for (const lockfile of faulty) assert.equal(lockfileFaults(lockfile).length, 1)
  })
})

describe('reading imports', () => {
  const specifiersOf = (text: string): string[] =>
    importsOf(tokensOf(text)).map((imported) => imported.specifier)

  test('finds every form', () => {
    const text = [
      "import a, { type B, c as d } from './1.ts'",
      "import * as e from './2.ts'",
      "import './3.ts'",
      "import json from './4.json' with { type: 'json' }",
      "export * from './5.ts'",
      "export { f } from './6.ts'",
      "export type { G } from './7.ts'",
      "const h = await import('./8.ts')",
      "type I = import('./9.ts').I",
    ].join('\n')
    const found = specifiersOf(text)
    assert.deepEqual(found.map((specifier) => specifier.charAt(2)).join(''), '123456789')
  })

  test('is not fooled by comments, strings, templates, regular expressions and other exports', () => {
    const text = [
      "// import './comment.ts'",
      "/* import './comment.ts' */",
      'const a = "import \'./string.ts\'"',
      "const b = `import './template.ts' ${`${{ c: '}' }.c}`} import './template.ts'`",
      'const d = /[/\'"]import/.test(a)',
      "export const from = 'value'",
      "export interface E { readonly from: 'x' }",
      "export default from\nimport './real.ts'",
      'import.meta.url',
      "x.import('./method.ts')",
    ].join('\n')
    assert.deepEqual(specifiersOf(text), ['./real.ts'])
  })

  test('tells types and lines', () => {
    const text =
      "import { a } from 'a'\n\nimport type { b } from 'b'\nimport { type c } from 'c'\nimport type from 'd'"
    const found = importsOf(tokensOf(text)).map(({ line, typeOnly }) => `${line}${typeOnly ? ' type' : ''}`)
    assert.deepEqual(found, ['1', '3 type', '4', '5'])
  })
})
