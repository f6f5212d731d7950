// The declarations of the package compile in a program that has no types but those of the package, and checks them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..')
const tsc = (...args: readonly string[]): void => {
  const path = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
}

const program = `
import { connect, createEngine, createWorker, type Engine, type Worker } from 'perdure'
import { createTestEngine } from 'perdure/testing'
export const engine: Promise<Engine> = createEngine({ store: 'memory' })
export const worker: Promise<Worker> = createWorker({ url: 'ws://127.0.0.1:7233' })
export const others = [connect, createTestEngine]
`

test('the declarations of the package need no types of other packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-consumer-'))
  try {
    const dist = join(folder, 'dist')
    tsc('--project', join(root, 'scripts', 'tsconfig.build.json'), '--outDir', dist)
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      noEmit: true,
      skipLibCheck: false,
      types: [],
      paths: { perdure: [join(dist, 'index.d.ts')], 'perdure/testing': [join(dist, 'testing.d.ts')] },
    }
    writeFileSync(join(folder, 'program.ts'), program)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
    tsc('--project', folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
