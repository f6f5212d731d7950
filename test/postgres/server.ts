/**
 * A PostgreSQL server for tests, benchmarks and the demo: data of its own, on 127.0.0.1 and a free port. It ends with its process,
 * however that ends.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { cp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { memoryFolder } from '../memory-folder.ts'
import { type PostgresVersion, postgresBinaries } from './binaries.ts'

export interface PostgresServerOptions {
  /** Default 18. */
  readonly version?: PostgresVersion
  /** Settings beside those of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default: a free one. */
  readonly port?: number
  /**
   * In which a folder for its data is made; if we are root, everybody must get through it. Default: that for temporary files,
   * or memory if it does not sync.
   */
  readonly within?: string
  /** Variables of its environment, beside ours. */
  readonly env?: Readonly<Record<string, string>>
}

const NEWEST: PostgresVersion = 18
/** PostgreSQL does not run as root. */
const NOBODY = 65_534
const START_LIMIT_MS = 60_000
const PORT_ATTEMPTS = 5

/** Ends the server when this process is gone: then its end of the pipe is closed. */
const KEEPER =
  'exec 3<&0; postgres "$@" & server=$!; { cat <&3 > /dev/null; kill -QUIT "$server" 2> /dev/null; } & wait "$server"'

export class PostgresServer implements AsyncDisposable {
  readonly version: PostgresVersion
  readonly #binaries: string
  readonly #folder: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #env: Readonly<Record<string, string>>
  #port: number
  #keeper: ChildProcess | undefined
  #databases = 0

  private constructor(binaries: string, folder: string, options: PostgresServerOptions) {
    this.#binaries = binaries
    this.#folder = folder
    this.version = options.version ?? NEWEST
    this.#settings = options.settings ?? {}
    this.#env = options.env ?? {}
    this.#port = options.port ?? 0
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const binaries = await postgresBinaries(options.version ?? NEWEST)
    const folder = mkdtempSync(join(options.within ?? folderFor(options), 'perdure-pg-'))
    const server = new PostgresServer(binaries, folder, options)
    try {
      server.#initialize()
      await server.start()
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
    return server
  }

  /** A server on data that is brought from elsewhere, as from a backup, into the folder that `fill` gets. */
  static async restore(
    fill: (data: string) => void | Promise<void>,
    options: PostgresServerOptions = {},
  ): Promise<PostgresServer> {
    const binaries = await postgresBinaries(options.version ?? NEWEST)
    const folder = mkdtempSync(join(options.within ?? tmpdir(), 'perdure-pg-'))
    const server = new PostgresServer(binaries, folder, options)
    try {
      await fill(server.data)
      appendFileSync(join(server.data, 'postgresql.auto.conf'), settingLines(options.settings ?? {}))
      chmodSync(server.data, 0o700)
      if (isRoot()) chownAll(folder)
      await server.start()
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
    return server
  }

  get port(): number {
    return this.#port
  }

  /** A standby on a copy of the data, which follows this server under the given name. This server is stopped meanwhile. */
  async startStandby(name: string): Promise<PostgresServer> {
    await this.stop()
    const standby = this.#another()
    cpSync(this.data, standby.data, { recursive: true, preserveTimestamps: true })
    standby.#follow(this.#port, name)
    await this.start()
    await standby.start()
    return standby
  }

  /** The same while this server runs: what is written during the copy comes from its log, of which it must keep enough. */
  async startStandbyMeanwhile(name: string): Promise<PostgresServer> {
    const standby = this.#another()
    const client = new pg.Client({ connectionString: this.url() })
    client.on('error', () => undefined)
    await client.connect()
    try {
      await client.query("select pg_backup_start('standby', true)")
      const isCopied = (path: string): boolean =>
        !path.startsWith(join(this.data, 'pg_wal/')) && !path.startsWith(join(this.data, 'postmaster.'))
      await cp(this.data, standby.data, { recursive: true, preserveTimestamps: true, filter: isCopied })
      const { rows } = await client.query('select labelfile from pg_backup_stop(false)')
      writeFileSync(join(standby.data, 'backup_label'), String(rows[0]?.labelfile))
    } finally {
      await client.end()
    }
    standby.#follow(this.#port, name)
    await standby.start()
    return standby
  }

  #another(): PostgresServer {
    return new PostgresServer(
      this.#binaries,
      mkdtempSync(join(folderFor({ settings: this.#settings }), 'perdure-pg-')),
      {
        version: this.version,
        settings: this.#settings,
        env: this.#env,
      },
    )
  }

  /** Before its start: its data are a copy of that server's. */
  #follow(port: number, name: string): void {
    const connection = `host=127.0.0.1 port=${port} user=postgres application_name=${name}`
    const settings = `primary_conninfo = '${connection}'\nsynchronous_standby_names = ''\n`
    appendFileSync(join(this.data, 'postgresql.auto.conf'), settings)
    writeFileSync(join(this.data, 'standby.signal'), '')
    chmodSync(this.data, 0o700)
    if (isRoot()) chownAll(this.#folder)
  }

  /** Waits for that standby with each commit from now on; resolves when it is there. */
  async waitForStandby(name: string): Promise<void> {
    await this.query(`alter system set synchronous_standby_names = '${name}'`)
    await this.query('select pg_reload_conf()')
    for (;;) {
      const [row] = await this.query(
        'select sync_state from pg_stat_replication where application_name = $1',
        [name],
      )
      if (row?.sync_state === 'sync') return
      await sleep(10)
    }
  }

  /** A standby becomes a server of its own. */
  async promote(): Promise<void> {
    await this.query('select pg_promote(true, 60)')
  }

  /** The folder of its data. */
  get data(): string {
    return join(this.#folder, 'data')
  }

  url(database = 'postgres'): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/${database}`
  }

  /** Process id of the server itself. */
  get pid(): number {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0])
  }

  /** Starts it again on its data, on the same port. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const port = this.#port === 0 ? await freePort() : this.#port
      if (await this.#startOn(port)) {
        this.#port = port
        return
      }
      const log = this.log()
      if (attempt === PORT_ATTEMPTS || this.#port !== 0 || !/Address already in use/.test(log))
        throw new Error(`PostgreSQL ${this.version} does not start:\n${log}`)
    }
  }

  /** `immediate` is a crash: nothing is written any more, and the next start recovers. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    const ended = once(keeper, 'exit')
    const hasEnded = (): boolean => keeper.exitCode !== null || keeper.signalCode !== null
    if (hasEnded()) return
    process.kill(this.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    while (existsSync(join(this.data, 'postmaster.pid')) && !hasEnded()) await sleep(10)
    keeper.stdin?.end()
    await ended
  }

  async query(
    sql: string,
    values: readonly unknown[] = [],
    database = 'postgres',
  ): Promise<pg.QueryResultRow[]> {
    const client = new pg.Client({ connectionString: this.url(database) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(sql, values as unknown[])).rows
    } finally {
      await client.end()
    }
  }

  /** A new database; its URL. */
  async createDatabase(template = 'template1'): Promise<{ readonly name: string; readonly url: string }> {
    this.#databases += 1
    const name = `test_${process.pid}_${this.#databases}`
    await this.query(`create database ${name} template ${template}`)
    return { name, url: this.url(name) }
  }

  async dropDatabase(name: string): Promise<void> {
    await this.query(`drop database ${name} with (force)`)
  }

  log(): string {
    const file = join(this.#folder, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('immediate')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #initialize(): void {
    mkdirSync(this.data)
    if (isRoot()) for (const path of [this.#folder, this.data]) chownSync(path, NOBODY, NOBODY)
    const args = ['-U', 'postgres', '-A', 'trust', '--locale=C', '-E', 'UTF8', '-D', this.data]
    execFileSync(join(this.#binaries, 'bin', 'initdb'), [...args, '--no-sync'], {
      ...asNobody(),
      stdio: 'pipe',
    })
    writeFileSync(join(this.data, 'postgresql.auto.conf'), this.#configuration())
  }

  #configuration(): string {
    return settingLines({
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '200',
      ...this.#settings,
    })
  }

  async #startOn(port: number): Promise<boolean> {
    const log = join(this.#folder, 'log')
    rmSync(log, { force: true })
    const args = ['-c', `exec 2> '${log}'; ${KEEPER}`, 'keeper', '-D', this.data, '-p', String(port)]
    const keeper = spawn('sh', args, {
      ...(isRoot() ? { uid: NOBODY, gid: NOBODY } : {}),
      env: { ...process.env, ...this.#env, PATH: `${join(this.#binaries, 'bin')}:${process.env.PATH}` },
      stdio: ['pipe', 'ignore', 'ignore'],
      // Ctrl-C of a terminal is for us: it is stopped when we want it.
      detached: true,
    })
    keeper.stdin.on('error', () => undefined)
    const endMs = performance.now() + START_LIMIT_MS
    while (performance.now() < endMs) {
      await sleep(20)
      const text = this.log()
      if (/database system is ready to accept connections|ready to accept read-only/.test(text)) {
        this.#keeper = keeper
        return true
      }
      if (keeper.exitCode !== null) break
    }
    keeper.stdin.end()
    return false
  }
}

function folderFor({ settings = {} }: PostgresServerOptions): string {
  return settings.fsync === 'off' ? memoryFolder() : tmpdir()
}

function settingLines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value}'\n`)
    .join('')
}

function chownAll(folder: string): void {
  chownSync(folder, NOBODY, NOBODY)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(join(folder, name), NOBODY, NOBODY)
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function asNobody(): { uid?: number; gid?: number } {
  return isRoot() ? { uid: NOBODY, gid: NOBODY } : {}
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
