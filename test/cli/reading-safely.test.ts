/** The commands read while an engine runs, after it was killed, and where nothing can be written; they leave no trace. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, afterEach, describe, test } from 'node:test'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import { createEngine, silentLogger } from '../../src/index.ts'
import { isFileLocked } from '../../src/store/sqlite/file-lock.ts'
import { workflows } from './order-workflows.ts'
import {
  makeOrders,
  type ProgramResult,
  perdure,
  perdureProcess,
  temporaryDirectory,
} from './store-fixture.ts'

const directory = temporaryDirectory()
after(() => directory.remove())

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

async function startEngine(file: string, mode: 'idle' | 'busy'): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'engine-process.ts')
  const child = spawn(process.execPath, [script, file, mode], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [line] = await once(child.stdout, 'data')
  assert.match(String(line), /^ready/)
  return child
}

async function ended(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit')
  if (signal === undefined) child.stdin?.end()
  else child.kill(signal)
  await exit
}

const place = (): string => mkdtempSync(join(directory.path, 'place-'))
const jsonLines = ({ stdout }: ProgramResult) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('while an engine runs in another process', () => {
  test('every command works, and doctor names the engine', async () => {
    const file = join(place(), 'orders.db')
    const engine = await startEngine(file, 'idle')
    const list = await perdureProcess(['list', '--json', '--store', file])
    assert.deepEqual([list.code, jsonLines(list).map(({ id }) => id)], [0, ['order-first']])
    const show = await perdure(['show', 'order-first', '--store', file])
    assert.doesNotMatch(show.stdout, /No engine runs/)
    const history = await perdure(['history', 'order-first', '--json', '--store', file])
    assert.equal(jsonLines(history)[0].event.type, 'execution-started')
    const doctor = await perdure(['doctor', file])
    assert.equal(doctor.code, 0, doctor.stdout)
    assert.match(doctor.stdout, new RegExp(`engine +\\S+:${engine.pid}\\s+runs\\s+on\\s+the\\s+file`))
    // A store is found by its lock file before its first checkpoint.
    const found = await perdure(['list', '--json'], { directory: join(file, '..') })
    assert.equal(found.code, 0, found.stderr)
    await ended(engine)
    assert.deepEqual(readdirSync(join(file, '..')).sort(), ['orders.db', 'orders.db.lock'])
  })

  test('doctor finds nothing wrong in the midst of hundreds of commits, nor after a kill', async () => {
    const file = join(place(), 'orders.db')
    const engine = await startEngine(file, 'busy')
    let executions = 0
    // Each of five audits has seen commits that the one before had not.
    for (let i = 0; i < 5; ) {
      const { findings, counts } = await auditFile(file)
      assert.deepEqual(findings, [])
      if (counts.executions > executions) i += 1
      executions = counts.executions
    }
    await ended(engine, 'SIGKILL')
    const killed = await perdure(['doctor', file])
    assert.equal(killed.code, 0, killed.stdout)
    assert.match(killed.stdout, /no engine runs on the file; the last one was/)
  })

  test('looking whether an engine runs turns none away', async () => {
    const file = join(place(), 'orders.db')
    const settings = { store: `sqlite:${file}`, workflows, logger: silentLogger }
    await (await createEngine(settings)).close()
    const script = `
      import { isFileLocked } from ${JSON.stringify(new URL('../../src/store/sqlite/file-lock.ts', import.meta.url).href)}
      process.stdout.write('ready')
      for (;;) isFileLocked(${JSON.stringify(file)})`
    const looker = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(looker)
    await once(looker.stdout, 'data')
    for (let i = 0; i < 10; i++) await (await createEngine(settings)).close()
    assert.equal(looker.exitCode, null)
  })
})

describe('no trace', () => {
  const commands = [['list'], ['show', 'order-1'], ['history', 'order-1'], ['doctor'], ['show', 'nobody']]

  test('a file that no engine has open: same bytes, no further files', async () => {
    const at = place()
    const file = await makeOrders(at)
    const bytes = readFileSync(file)
    for (const command of commands) {
      await perdure([...command, '--store', file])
      assert.deepEqual(readdirSync(at).sort(), ['orders.db', 'orders.db.lock'], command.join(' '))
    }
    assert.ok(readFileSync(file).equals(bytes))
    assert.equal(isFileLocked(file), false)
  })

  test('a copy without its lock file', async () => {
    const at = place()
    const file = join(at, 'copy.db')
    copyFileSync(await makeOrders(place()), file)
    for (const command of commands) await perdure([...command, '--store', file])
    assert.deepEqual(readdirSync(at), ['copy.db'])
  })

  test('a killed engine: its log is read, and left as it is for the next engine', async () => {
    const file = join(place(), 'orders.db')
    await ended(await startEngine(file, 'idle'), 'SIGKILL')
    const before = readdirSync(join(file, '..')).sort()
    assert.ok(before.includes('orders.db-wal'))
    const log = readFileSync(`${file}-wal`)
    const list = await perdure(['list', '--json', '--store', file])
    assert.deepEqual(
      jsonLines(list).map(({ id }) => id),
      ['order-first'],
    )
    assert.equal((await perdure(['doctor', file])).code, 0)
    assert.deepEqual(readdirSync(join(file, '..')).sort(), before)
    assert.ok(readFileSync(`${file}-wal`).equals(log))
  })
})

describe('a directory that cannot be written', () => {
  /** As a user to whom permissions apply. */
  async function asReader(args: readonly string[]): Promise<ProgramResult> {
    // The checkout may be closed to that user: the child loads its code first, then gives the permissions of root up.
    const source = new URL('../../src/', import.meta.url)
    const program = `
      const load = (path) => import(${JSON.stringify(source.href)} + path)
      const { runProgram } = await load('cli/program.ts')
      for (const path of ['cli/doctor/store-checks.ts', 'cli/doctor/file-audit.ts', 'cli/doctor/store-rows.ts',
        'store/sqlite/tool-connection.ts', 'store/sqlite/sqlite-reader.ts', 'store/sqlite/file-lock.ts']) await load(path)
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }
      const { stdout, stderr, env } = process
      process.exitCode = await runProgram(process.argv.slice(1),
        { stdout, stderr, env, directory: process.cwd(), nowMs: Date.now() })`
    const child = spawn(
      process.execPath,
      ['--no-warnings', '--input-type=module', '-e', program, '--', ...args],
      {
        cwd: '/',
        env: { PATH: process.env.PATH },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const closed = once(child, 'close')
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    await closed
    return { code: child.exitCode, stdout, stderr }
  }

  async function readOnlyPlace(prepare: (file: string) => Promise<void>): Promise<string> {
    chmodSync(directory.path, 0o755)
    const at = place()
    const file = join(at, 'orders.db')
    await prepare(file)
    for (const name of readdirSync(at)) chmodSync(join(at, name), 0o444)
    chmodSync(at, 0o555)
    return file
  }

  test('a closed file is read', async () => {
    const file = await readOnlyPlace(async (path) => void (await makeOrders(join(path, '..'))))
    const list = await asReader(['list', '--json', '--store', file])
    assert.deepEqual([list.code, list.stderr, jsonLines(list).length], [0, '', 11])
    const doctor = await asReader(['doctor', '--json', file])
    assert.equal(doctor.code, 0, doctor.stdout)
    const [{ checks }] = jsonLines(doctor)
    assert.equal(checks.find(({ name }: { name: string }) => name === 'directory').level, 'note')
    assert.deepEqual(readdirSync(join(file, '..')).sort(), ['orders.db', 'orders.db.lock'])
  })

  test('so is that of a killed engine, unless the index of its log is missing: then it says what to do', async () => {
    const killed = async (path: string): Promise<void> => ended(await startEngine(path, 'idle'), 'SIGKILL')
    const whole = await readOnlyPlace(killed)
    const list = await asReader(['list', '--json', '--store', whole])
    assert.deepEqual([list.code, list.stderr], [0, ''])
    assert.deepEqual(
      jsonLines(list).map(({ id }) => id),
      ['order-first'],
    )
    const partial = await readOnlyPlace(async (path) => {
      await killed(path)
      rmSync(`${path}-shm`)
    })
    const refused = await asReader(['list', '--store', partial])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /copy[\s\S]*into\s+a\s+directory\s+that\s+can\s+be\s+written/)
  })
})
