// The declarations of the package compile in a program that has no types but those of the package, and checks them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

const root = join(import.meta.dirname, '..', '..')
const tsc = (...args: readonly string[]): void => {
  const path = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
}

const programs = {
  'the package': `
import { connect, createEngine, createWorker, type Engine, type Worker } from 'perdure'
import { createTestEngine } from 'perdure/testing'
export const engine: Promise<Engine> = createEngine({ store: 'memory' })
export const worker: Promise<Worker> = createWorker({ url: 'ws://127.0.0.1:7233' })
export const others = [connect, createTestEngine]
`,
  'the client over HTTP': `
import { type Client, createClient, type Execution, workflow } from 'perdure/client'
export const client: Client = createClient({ url: 'http://127.0.0.1:7233' })
const order = workflow({ name: 'order', run: async (_, item: string) => item })
export const started: Promise<Execution<typeof order>> = client.start(order, 'book')
`,
}

describe('the declarations need no types of other packages:', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'perdure-consumer-'))
    tsc('--project', join(root, 'scripts', 'tsconfig.build.json'), '--outDir', join(folder, 'dist'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const [name, program] of Object.entries(programs))
    test(`those of ${name}`, () => {
      const of = (file: string): readonly string[] => [join(folder, 'dist', file)]
      const compilerOptions = {
        strict: true,
        module: 'nodenext',
        target: 'es2022',
        noEmit: true,
        skipLibCheck: false,
        types: [],
        paths: {
          perdure: of('index.d.ts'),
          'perdure/client': of('client.d.ts'),
          'perdure/testing': of('testing.d.ts'),
        },
      }
      writeFileSync(join(folder, 'program.ts'), program)
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
      tsc('--project', folder)
    })
})
