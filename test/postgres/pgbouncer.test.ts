/** The store behind PgBouncer in transaction mode: no two statements need meet the same connection of the server. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { debianProgram } from '../debian-program.ts'
import { freePort, PostgresServer } from './server.ts'

const NOBODY = 65_534
const EXECUTIONS = 200

const program = debianProgram('/usr/sbin/pgbouncer', 'pgbouncer')
if ('missing' in program) console.log(`NOT RUN: PgBouncer: ${program.missing}`)

const chain = workflow({
  name: 'chain',
  run: async (ctx, value: number) => {
    const first = await ctx.step('first', () => value + 1)
    await ctx.sleep(10)
    return ctx.step('second', () => first * 2)
  },
})

describe('behind PgBouncer in transaction mode', { skip: 'missing' in program }, () => {
  test('executions end, and an engine that opens again finds them', async () => {
    await using server = await PostgresServer.start({ settings: { fsync: 'off' } })
    await using bouncer = await Bouncer.start(server.port)
    const { name } = await server.createDatabase()
    await server.query("alter role postgres set default_transaction_isolation = 'read committed'")
    const store = `postgres://postgres@127.0.0.1:${bouncer.port}/${name}?pooler=transaction`
    {
      await using engine = await createEngine({ store, workflows: [chain], logger: silentLogger })
      const results = Array.from({ length: EXECUTIONS }, async (_, value) => {
        const execution = await engine.start(chain, value, { id: `chain-${value}` })
        return execution.result()
      })
      assert.deepEqual(
        await Promise.all(results),
        Array.from({ length: EXECUTIONS }, (_, value) => (value + 1) * 2),
      )
      assert.equal(engine.counters.unknownCommits, 0)
    }
    await using engine = await createEngine({ store, workflows: [chain], logger: silentLogger })
    const { executions } = await engine.list({ limit: 1000 })
    assert.equal(executions.length, EXECUTIONS)
    const [row] = await server.query(
      "select count(*)::int as used from pg_stat_activity where datname = $1 and application_name like 'perdure%'",
      [name],
    )
    assert.ok(Number(row?.used) <= POOL_SIZE, `${row?.used} connections of the server`)
  })
})

const POOL_SIZE = 2

class Bouncer implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: { remove(): void }

  private constructor(port: number, child: ChildProcess, folder: { remove(): void }) {
    this.port = port
    this.#process = child
    this.#folder = folder
  }

  static async start(serverPort: number): Promise<Bouncer> {
    if (!('path' in program)) throw new Error('there is no PgBouncer')
    const folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-bouncer-'))
    const port = await freePort()
    const settings = join(folder.path, 'pgbouncer.ini')
    writeFileSync(
      settings,
      `[databases]
* = user=postgres host=127.0.0.1 port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${POOL_SIZE}
max_client_conn = 100
`,
    )
    const isRoot = process.getuid?.() === 0
    if (isRoot) for (const path of [folder.path, settings]) chownSync(path, NOBODY, NOBODY)
    const owner = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
    const child = spawn(program.path, [settings], { ...owner, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    for (let i = 0; i < 500; i++) {
      if (child.exitCode !== null) throw new Error(`PgBouncer has ended:\n${said}`)
      if (await answers(port)) return new Bouncer(port, child, folder)
      await sleep(10)
    }
    child.kill('SIGKILL')
    throw new Error(`PgBouncer does not answer:\n${said}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
    this.#folder.remove()
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
