/** Every TypeScript block of the docs is a program: it is type-checked and run. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ERROR_CATALOGUE } from '../../src/protocol/errors.ts'
import { PostgresServer } from '../postgres/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Inside the package, so that programs import it by its name. */
const folder = join(root, `.docs-programs-${process.pid}`)

interface Program {
  readonly page: string
  readonly line: number
  readonly file: string
}

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]

function* programsOf(page: string): Generator<Program & { readonly text: string }> {
  const lines = readFileSync(join(root, page), 'utf8').split('\n')
  let start = -1
  for (const [index, line] of lines.entries()) {
    if (start < 0 && line === '```ts') start = index + 1
    else if (start >= 0 && line === '```') {
      const file = join(folder, `${page.replaceAll(/[^a-z]/gi, '-')}-${start}.ts`)
      yield { page, line: start, file, text: lines.slice(start, index).join('\n') }
      start = -1
    }
  }
}

describe('the docs', () => {
  const programs = pages.flatMap((page) => [...programsOf(page)])

  /** For the programs that want a database. */
  let server: PostgresServer

  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    mkdirSync(folder)
    for (const { file, text } of programs) writeFileSync(file, `${text}\nexport {}\n`)
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../tsconfig.json', include: ['*.ts'] }),
    )
  })
  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await server[Symbol.asyncDispose]()
  })

  it('have programs', () => assert.ok(programs.length >= 10, `${programs.length} programs`))

  it('agree with the types', () => {
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', folder], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout + stderr)
  })

  for (const { page, line, file } of programs) {
    it(`${page}, line ${line} runs`, () => {
      const cwd = join(folder, `run-${line}`)
      mkdirSync(cwd, { recursive: true })
      const args = ['--conditions=perdure-source', '--no-warnings', file]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        cwd,
        env: { ...process.env, DATABASE_URL: server.url() },
        timeout: 60_000,
      })
      assert.equal(status, 0, `${stdout}\n${stderr}`)
    })
  }

  it('link to files that exist', () => {
    for (const page of [...pages, 'ARCHITECTURE.md']) {
      for (const [, target = ''] of readFileSync(join(root, page), 'utf8').matchAll(
        /\]\(([^)#:\s]+)(?:#[^)]*)?\)/g,
      )) {
        assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`)
      }
    }
  })
})

describe('the catalogue of errors in the docs', () => {
  const text = readFileSync(join(root, 'docs/limits-and-errors.md'), 'utf8')
  for (const [code, { httpStatus, retryable, hint }] of Object.entries(ERROR_CATALOGUE)) {
    it(`has ${code} as it is in the code`, () => {
      assert.ok(
        text.includes(
          `| \`${code}\` | ${httpStatus} | ${retryable ? 'yes' : 'no'} | ${hint.replaceAll('|', '\\|')} |`,
        ),
      )
    })
  }
})
