/** Files that are damaged, foreign, newer, read-only or in use: each is refused with its code, and left as it is. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import {
  createEngine,
  type Engine,
  type ErrorCode,
  PerdureError,
  silentLogger,
  workflow,
} from '../../src/index.ts'
import { readStoreFile } from './file-reader.ts'
import { WorkerProcess } from './worker-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'perdure-bad-files-'))
const sound = join(directory, 'sound.db')
const EXECUTIONS = 300

const greet = workflow({
  name: 'greet',
  run: async (ctx, name: string) => ctx.step('greet', () => `Hello ${name}`),
})

const open = (file: string): Promise<Engine> =>
  createEngine({ store: `sqlite:${file}`, workflows: [greet], logger: silentLogger })

before(async () => {
  const engine = await open(sound)
  const names = Array.from({ length: EXECUTIONS }, (_, i) => `${i} ${'x'.repeat(500)}`)
  const started = await Promise.all(names.map((name, i) => engine.start(greet, name, { id: `g${i}` })))
  await Promise.all(started.map((execution) => execution.result()))
  await engine.close()
})

after(() => rmSync(directory, { recursive: true }))

/** A copy of the sound file, changed. */
function changedCopy(name: string, change: (file: string) => void): string {
  const file = join(directory, `${name}.db`)
  copyFileSync(sound, file)
  change(file)
  return file
}

async function assertRefused(file: string, code: ErrorCode, said: RegExp): Promise<void> {
  const content = readFileSync(file)
  await assert.rejects(open(file), hasCode(code, said))
  assert.ok(content.equals(readFileSync(file)), 'the file is as it was')
  // The lock is free again, and the answer the same.
  await assert.rejects(open(file), hasCode(code, said))
}

function hasCode(code: ErrorCode, said: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PerdureError, `${error}`)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, said)
    assert.ok(error.message.includes(error.hint), 'it says what to do')
    return true
  }
}

const sql = (statements: string) => (file: string) => {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
}

describe('a file that cannot be used', () => {
  test('garbage', async () => {
    const file = changedCopy('garbage', (name) =>
      writeFileSync(name, Buffer.alloc(20_000, 'not a database ')),
    )
    await assertRefused(file, 'STORE_CORRUPT', /is not a SQLite database/)
  })

  test('a few bytes', async () => {
    const file = changedCopy('short', (name) => writeFileSync(name, 'hello'))
    await assertRefused(file, 'STORE_CORRUPT', /is not a SQLite database/)
  })

  test('the database of another application', async () => {
    const file = join(directory, 'foreign.db')
    sql('create table customer (id integer primary key); insert into customer values (1)')(file)
    await assertRefused(file, 'STORE_INVALID', /another application/)
  })

  test('a newer schema', async () => {
    const file = changedCopy('newer', sql('pragma user_version = 99'))
    await assertRefused(file, 'STORE_NEWER', /schema version 99/)
  })

  test('a directory, and a directory that is not there', async () => {
    mkdirSync(join(directory, 'folder'))
    await assert.rejects(open(join(directory, 'folder')), hasCode('STORE_INVALID', /is not a file/))
    await assert.rejects(open('//x.db'), hasCode('STORE_INVALID', /begins with \/\/: write sqlite:x.db/))
    await assert.rejects(open(join(directory, 'no', 'x.db')), hasCode('STORE_INVALID', /does not exist/))
  })

  test('truncated to a half: refused at the start, or at the first read that meets the damage', async () => {
    const file = changedCopy('half', (name) => truncateSync(name, readFileSync(name).length >> 1))
    await assertDamageTold(file)
  })

  test('damaged within: refused at the start, or at the first read that meets the damage', async () => {
    const file = changedCopy('damaged', (name) => {
      const bytes = readFileSync(name)
      // All but the pages of the schema and of the small tables.
      bytes.fill(0xa5, 12 * 8192)
      writeFileSync(name, bytes)
    })
    await assertDamageTold(file)
  })
})

/** Every answer is right, or is STORE_CORRUPT (or the engine's stop because of it). */
async function assertDamageTold(file: string): Promise<void> {
  let engine: Engine
  try {
    engine = await open(file)
  } catch (error) {
    assert.ok(hasCode('STORE_CORRUPT', /damaged/)(error))
    return
  }
  let told = 0
  for (let i = 0; i < EXECUTIONS; i++) {
    try {
      assert.match(await engine.execution(greet, `g${i}`).result(), new RegExp(`^Hello ${i} x+$`))
    } catch (error) {
      assert.ok(error instanceof PerdureError, `${error}`)
      const { code } = error.code === 'ENGINE_FAILED' ? (error.cause as PerdureError) : error
      assert.equal(code, 'STORE_CORRUPT', error.message)
      told += 1
    }
  }
  assert.ok(told > 0, 'the damage was met')
  await engine.close()
}

describe('a directory that is read-only', () => {
  test('is refused with the advice to give write access', () => {
    const folder = join(directory, 'read-only')
    mkdirSync(folder)
    copyFileSync(sound, join(folder, 'store.db'))
    chmodSync(folder, 0o555)
    chmodSync(directory, 0o755)
    // The permissions of root bind nobody, so the child gives its own up once it has loaded its code.
    const program = `
      const { createEngine } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/index.ts'))})
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }
      for (const name of ['store.db', 'new.db']) {
        const store = 'sqlite:' + process.argv[1] + '/' + name
        await createEngine({ store, workflows: [] }).then(
          () => console.log('opened'),
          (error) => console.log(error.code + ' ' + error.message),
        )
      }`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, folder], {
      encoding: 'utf8',
    })
    chmodSync(folder, 0o755)
    const lines = stdout.trim().split('\n')
    assert.equal(lines.length, 2, stdout + stderr)
    for (const line of lines)
      assert.match(line, /^STORE_READ_ONLY .*read-only.*Give the process write access/)
  })
})

describe('a file in use', () => {
  test('two engines in one process: the second is refused and harms nobody', async () => {
    const file = join(directory, 'shared.db')
    const first = await open(file)
    await assert.rejects(open(file), hasCode('STORE_LOCKED', new RegExp(`:${process.pid}\\b`)))
    await assert.rejects(open(file), hasCode('STORE_LOCKED', /in use by the engine at/))
    const execution = await first.start(greet, 'you')
    assert.equal(await execution.result(), 'Hello you')
    await first.close()
    const second = await open(file)
    assert.equal(await second.execution(greet, execution.id).result(), 'Hello you')
    await second.close()
  })

  test('two processes: the loser names the holder, who works on; after SIGKILL the next start works at once', async () => {
    const folder = mkdtempSync(join(directory, 'held-'))
    const file = join(folder, 'store.db')
    const holder = new WorkerProcess(join(import.meta.dirname, 'mixed-workload.ts'))
    await holder.next('loaded')
    const started = new Map<number, string>()
    holder.begin(
      { directory: folder, round: 0, cases: [], nextCase: 0, inFlight: 4, synchronous: 'full' },
      (report) => {
        if (report[0] === 'started') started.set(report[1], report[2])
      },
    )
    await holder.next('ready')
    for (let i = 0; i < 5; i++)
      await assert.rejects(open(file), hasCode('STORE_LOCKED', new RegExp(`:${holder.pid} `)))
    const known = started.size
    while (started.size < known + 10) await new Promise((resolve) => setTimeout(resolve, 5))
    await holder.kill()
    const next = await open(file)
    await next.close()
    const { runs, damage } = readStoreFile(file)
    assert.deepEqual(damage, [])
    for (const runId of started.values()) assert.ok(runs.has(runId), `the start of ${runId} is there`)
  })
})
