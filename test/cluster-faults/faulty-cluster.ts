/**
 * A cluster of node processes and client processes over PostgreSQL, in which everything can be made to fail: processes, the
 * network between any two of them, the database, its disk and its standby.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { EngineCounters } from '../../src/engine/engine-counters.ts'
import { NodeProcess, type NodeProcessOptions } from '../postgres/cluster-nodes.ts'
import { PostgresServer } from '../postgres/server.ts'
import { buildDiskShim, type DiskShim, writeControl } from '../store/disk-shim.ts'
import { type ClientEntry, readClientLog } from './client-log.ts'
import type { ClientSettings } from './client-process.ts'
import { checkCluster, type Verdict } from './cluster-checker.ts'
import { TestNetwork } from './test-network.ts'

export interface FaultyClusterOptions {
  readonly nodes: readonly string[]
  /** Client processes. */
  readonly clients: number
  /** Executions at a time of each client. */
  readonly lanes: number
  /** Between two executions of a lane, ms. Default 0. */
  readonly pauseMs?: number
  /** The database has a synchronous standby. */
  readonly hasStandby?: boolean
  /** Syncs of the database can be made slow; needs a C compiler. */
  readonly hasDiskShim?: boolean
  /** How nodes are started; default: this version's program. */
  readonly node?: (name: string) => NodeProcessOptions
}

export type Counts = Pick<
  EngineCounters,
  'fenced' | 'fencedBatches' | 'unknownCommits' | 'unknownSettledIn' | 'unknownSettledOut' | 'commits'
>

/** Doors to the servers of the database, in the order of the URL. */
const DATABASES = ['database-1', 'database-2'] as const
const DATABASE = 'work'
const CLIENTS_END_MS = 90_000
const GOES_ON_MS = 60_000
const ALL_OWNED_MS = 30_000
const SHARDS = 256
const SOURCE_ADDRESS = pathToFileURL(join(import.meta.dirname, 'source-address.ts')).href

export class FaultyCluster implements AsyncDisposable {
  readonly network = new TestNetwork()
  readonly nodes = new Map<string, NodeProcess>()
  readonly #options: FaultyClusterOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'perdure-faults-'))
  readonly #clients: { readonly name: string; readonly file: string; readonly process: ChildProcess }[] = []
  /** Of processes that have ended. */
  readonly #past: Counts = noCounts()
  #shim: DiskShim | undefined
  #primary: PostgresServer | undefined
  #standby: PostgresServer | undefined
  #primaryDoor: (typeof DATABASES)[number] = DATABASES[0]
  #url = ''
  #standbys = 0

  private constructor(options: FaultyClusterOptions) {
    this.#options = options
    // The server runs as somebody else.
    chmodSync(this.#folder, 0o755)
  }

  static async start(options: FaultyClusterOptions): Promise<FaultyCluster> {
    const cluster = new FaultyCluster(options)
    try {
      await cluster.#startDatabase()
      for (const name of options.nodes) await cluster.startNode(name)
      await cluster.allOwned()
      for (let i = 0; i < options.clients; i++) await cluster.#startClient(`client-${i}`)
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  get primary(): PostgresServer {
    if (this.#primary === undefined) throw new Error('there is no database')
    return this.#primary
  }

  get standby(): PostgresServer | undefined {
    return this.#standby
  }

  node(name: string): NodeProcess {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  query(sql: string, values: readonly unknown[] = []) {
    return this.primary.query(sql, values, DATABASE)
  }

  async startNode(
    name: string,
    options: NodeProcessOptions = this.#options.node?.(name) ?? {},
  ): Promise<void> {
    const { execArgv = ['--conditions=perdure-source'] } = options
    const port = await this.network.open(name)
    const node = await NodeProcess.start(this.#url, name, {
      ...options,
      address: `ws://127.0.0.1:${port}`,
      execArgv: [...execArgv, ...this.#imports()],
      env: this.#environment(name),
    })
    this.network.aim(name, Number(new URL(node.url).port))
    this.nodes.set(name, node)
  }

  async killNode(name: string): Promise<void> {
    const node = this.node(name)
    await node.kill()
    this.#forget(name, node)
  }

  async drainNode(name: string): Promise<void> {
    const node = this.node(name)
    await node.leave()
    this.#forget(name, node)
  }

  /** Each shard is owned by a session that lives, and each node owns some. */
  async allOwned(): Promise<void> {
    const endMs = performance.now() + ALL_OWNED_MS
    for (;;) {
      const [row] = await this.query(
        `select count(*)::int as owned, count(distinct session_id)::int as owners from perdure.shard
          join perdure.session on session.id = session_id where fenced_at is null`,
      )
      const { owned = 0, owners = 0 } = row ?? {}
      if (owned === SHARDS && owners >= this.nodes.size) return
      if (performance.now() > endMs)
        throw new Error(`${owned} of ${SHARDS} shards have an owner, and ${owners} nodes own some`)
      await sleep(20)
    }
  }

  /** Some client is answered, after this call. */
  async goesOn(): Promise<void> {
    const before = this.#clients.map(({ file }) => statSync(file).size)
    const isAnswered = (): boolean =>
      this.#clients.some(({ file }, i) =>
        /"kind":"(acknowledged|result)"/.test(readFileSync(file).subarray(before[i]).toString()),
      )
    const endMs = performance.now() + GOES_ON_MS
    while (!isAnswered()) {
      if (performance.now() > endMs) throw new Error(`no client was answered for ${GOES_ON_MS / 1000} s`)
      await sleep(50)
    }
  }

  /** Executions in flight on these nodes; without names, on all. */
  async inFlight(names?: readonly string[]): Promise<number> {
    const [row] = await this.query(
      `select count(*)::int as n from perdure.execution join perdure.shard on shard.id = execution.shard
        join perdure.session on session.id = shard.session_id
        where status = 'running' and active and ($1::text[] is null or node = any ($1))`,
      [names ?? null],
    )
    return row?.n ?? 0
  }

  /** Every sync of the database's log takes so much longer; 0: as long as the disk needs. */
  slowDisk(delayMs: number): void {
    if (this.#shim === undefined) throw new Error('there is no shim between the database and its disk')
    writeControl(this.#shim.control, { syncDelayMs: delayMs })
  }

  /** The primary crashes and does not come back; the standby is promoted. */
  async failOver(): Promise<void> {
    const standby = this.#standby
    if (standby === undefined) throw new Error('there is no standby')
    const old = this.primary
    await old.stop('immediate')
    const [door, next] = this.#doors()
    this.network.aim(door, undefined)
    await standby.promote()
    this.#primary = standby
    this.#standby = undefined
    this.#primaryDoor = next
    await old[Symbol.asyncDispose]()
  }

  /** A new standby, for which each commit waits from then on. */
  async addStandby(): Promise<void> {
    this.#standbys += 1
    const name = `standby_${this.#standbys}`
    const standby = await this.primary.startStandbyMeanwhile(name)
    this.#standby = standby
    this.network.aim(this.#doors()[1], standby.port)
    await this.primary.waitForStandby(name)
  }

  /** Node by node, also of those that have been killed: as of the last word of each. */
  counts(): Counts {
    const sum = { ...this.#past }
    for (const node of this.nodes.values()) addCounts(sum, node)
    return sum
  }

  /** What the clients have written so far. */
  logs(): ClientEntry[][] {
    return this.#clients.map(({ file }) => readClientLog(file))
  }

  /** The faults are over: all work must end now, and then be as it should. */
  async finish(): Promise<Verdict> {
    const late = await this.#endClients()
    const verdict = await this.check(this.logs())
    return { ...verdict, faults: [...late, ...verdict.faults] }
  }

  /** What was told, against what is there. */
  check(logs: readonly (readonly ClientEntry[])[]): Promise<Verdict> {
    return checkCluster(this.primary, DATABASE, logs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#clients) process.kill('SIGKILL')
    await Promise.all([...this.nodes.values()].map((node) => node.kill()))
    await this.network[Symbol.asyncDispose]()
    await this.#standby?.[Symbol.asyncDispose]()
    await this.#primary?.[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startDatabase(): Promise<void> {
    const { hasStandby = false, hasDiskShim = false } = this.#options
    if (hasDiskShim) {
      this.#shim = buildDiskShim(this.#folder, 'pg_wal')
      chmodSync(this.#shim.control, 0o666)
    }
    this.#primary = await PostgresServer.start({
      // A standby that is made later follows from the log of the moment in which its copy began. One that has lost its primary
      // looks for it again in 5 s by default, and commits wait for it as long.
      settings: {
        wal_keep_size: '2GB',
        wal_retrieve_retry_interval: '500ms',
        ...(hasStandby || hasDiskShim ? {} : { fsync: 'off' }),
      },
      ...(this.#shim === undefined ? {} : { env: shimOf(this.#shim) }),
    })
    await this.primary.query(`create database ${DATABASE}`)
    const ports: number[] = []
    for (const door of hasStandby ? DATABASES : DATABASES.slice(0, 1))
      ports.push(await this.network.open(door))
    this.network.aim(DATABASES[0], this.primary.port)
    const hosts = ports.map((port) => `127.0.0.1:${port}`).join()
    this.#url = `postgres://postgres@${hosts}/${DATABASE}`
    if (hasStandby) await this.addStandby()
  }

  async #startClient(name: string): Promise<void> {
    const file = join(this.#folder, `${name}.log`)
    const nodes: string[] = []
    for (const node of this.#options.nodes) nodes.push(`ws://127.0.0.1:${await this.network.open(node)}`)
    const { lanes, pauseMs = 0 } = this.#options
    const settings: ClientSettings = { name, nodes, file, lanes, pauseMs }
    const child = fork(join(import.meta.dirname, 'client-process.ts'), [JSON.stringify(settings)], {
      execArgv: ['--conditions=perdure-source', ...this.#imports()],
      env: this.#environment(name),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#clients.push({ name, file, process: child })
    await once(child, 'message')
  }

  /** Answers what did not end in time. */
  async #endClients(): Promise<string[]> {
    const late: string[] = []
    const ended = this.#clients.map(async ({ name, process }) => {
      if (process.exitCode !== null || process.signalCode !== null) {
        late.push(`${name} has ended by itself, with ${process.exitCode ?? process.signalCode}`)
        return
      }
      process.send('stop')
      const limit = new AbortController()
      const isLate = await Promise.race([
        once(process, 'exit').then(() => false),
        sleep(CLIENTS_END_MS, true, { signal: limit.signal, ref: false }),
      ])
      limit.abort()
      if (isLate) late.push(`work of ${name} has not ended ${CLIENTS_END_MS / 1000} s after the last fault`)
      else if (process.exitCode !== 0)
        late.push(`${name} ended with ${process.exitCode ?? process.signalCode}`)
    })
    await Promise.all(ended)
    return late
  }

  /** The door to the primary, and the other one. */
  #doors(): readonly [(typeof DATABASES)[number], (typeof DATABASES)[number]] {
    const [first, second] = DATABASES
    return this.#primaryDoor === first ? [first, second] : [second, first]
  }

  #forget(name: string, node: NodeProcess): void {
    addCounts(this.#past, node)
    this.nodes.delete(name)
    this.network.aim(name, undefined)
  }

  #imports(): string[] {
    return TestNetwork.isMany ? ['--import', SOURCE_ADDRESS] : []
  }

  #environment(end: string): NodeJS.ProcessEnv {
    return { ...process.env, SOURCE_ADDRESS: this.network.addressOf(end) }
  }

  /** All doors to the database. */
  get databaseDoors(): readonly string[] {
    return this.#options.hasStandby === true ? DATABASES : DATABASES.slice(0, 1)
  }
}

function shimOf({ env }: DiskShim): Record<string, string> {
  const { LD_PRELOAD = '', DISK_SHIM = '', DISK_SHIM_NAME = '' } = env
  return { LD_PRELOAD, DISK_SHIM, DISK_SHIM_NAME }
}

function noCounts(): Counts {
  return {
    fenced: 0,
    fencedBatches: 0,
    unknownCommits: 0,
    unknownSettledIn: 0,
    unknownSettledOut: 0,
    commits: 0,
  }
}

function addCounts(sum: Counts, node: NodeProcess): void {
  const counters = node.state?.counters
  if (counters === undefined) return
  // A node of an earlier version does not count all of it.
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += counters[name] ?? 0
}
