/** PostgreSQL servers run by Patroni, with etcd, on this machine: as docs/deployment.md has it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../postgres/server.ts'
import { documentedDatabase, documentedPassword, SCOPE, SUPERUSER } from './documented-configuration.ts'
import { EtcdMembers } from './etcd-members.ts'
import { PatroniMember } from './patroni-member.ts'
import type { PatroniPrograms } from './patroni-programs.ts'
import { giveToUser } from './system-process.ts'

/** A standby that has to be copied, or rewound, takes its time. */
const HEALTHY_LIMIT_MS = 180_000
const PATRONICTL_LIMIT_MS = 60_000
const REST_LIMIT_MS = 2000
const QUERY_ATTEMPTS = 5

/** As the REST interface of Patroni has them. */
interface MemberState {
  readonly name: string
  readonly role: string
  readonly state: string
  readonly timeline?: number
}

export interface PatroniClusterOptions {
  readonly programs: PatroniPrograms
  /** Default 3. */
  readonly servers?: number
  /** Default 3. */
  readonly etcdMembers?: number
}

export class PatroniCluster implements AsyncDisposable {
  readonly members: readonly PatroniMember[]
  readonly etcd: EtcdMembers
  readonly password: string
  readonly #patronictl: string
  readonly #started: AsyncDisposable

  private constructor(parts: {
    readonly members: readonly PatroniMember[]
    readonly etcd: EtcdMembers
    readonly patronictl: string
    readonly started: AsyncDisposable
  }) {
    this.members = parts.members
    this.etcd = parts.etcd
    this.#patronictl = parts.patronictl
    this.#started = parts.started
    this.password = documentedPassword(readFileSync(this.member().configurationFile, 'utf8'))
  }

  /** Healthy: with a primary, a synchronous standby, and the others behind it. */
  static async start({
    programs,
    servers = 3,
    etcdMembers = 3,
  }: PatroniClusterOptions): Promise<PatroniCluster> {
    await using started = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'perdure-patroni-'))
    // A process of PostgreSQL whose server was killed ends a moment later.
    const removal = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }
    started.defer(() => rmSync(folder, removal))
    chmodSync(folder, 0o755)
    giveToUser(folder)
    const { patroni, patronictl, postgres: binaries, etcdApi } = programs
    const etcdFolder = join(folder, 'etcd')
    const etcd = started.use(
      await EtcdMembers.start({
        program: programs.etcd,
        folder: etcdFolder,
        count: etcdMembers,
        api: etcdApi,
      }),
    )
    const members: PatroniMember[] = []
    for (let i = 1; i <= servers; i++) {
      const name = `db${i}`
      const ports = { port: await freePort(), restPort: await freePort(), etcdPorts: etcd.clientPorts }
      const place = { name, folder: join(folder, name), binaries, etcdApi, ...ports }
      members.push(started.use(new PatroniMember(patroni, place)))
    }
    const parts = { members, etcd, patronictl, started: started.move() }
    const cluster = new PatroniCluster(parts)
    try {
      for (const member of members) member.start()
      await cluster.whenHealthy()
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  /** The database and its user as the docs make them. Answers its URL: all servers. */
  async createDatabase(name: string): Promise<string> {
    const { statements, user, password } = documentedDatabase()
    for (const statement of statements) await this.query('postgres', statement)
    const hosts = this.members.map(({ port }) => `127.0.0.1:${port}`).join()
    return `postgres://${user}:${password}@${hosts}/${name}?target_session_attrs=read-write`
  }

  member(name?: string): PatroniMember {
    const found = this.members.find((each) => name === undefined || each.name === name)
    if (found === undefined) throw new Error(`there is no server ${name}`)
    return found
  }

  /** Who leads, as the others see it; undefined while nobody does. */
  async leader(): Promise<{ readonly name: string; readonly timeline: number } | undefined> {
    const leader = (await this.#states()).find(({ role, state }) => role === 'leader' && state === 'running')
    return leader === undefined ? undefined : { name: leader.name, timeline: leader.timeline ?? 0 }
  }

  /** A server leads on a newer timeline. */
  async whenFailedOver(timeline: number): Promise<string> {
    const endMs = performance.now() + HEALTHY_LIMIT_MS
    for (;;) {
      const leader = await this.leader()
      if (leader !== undefined && leader.timeline > timeline) return leader.name
      if (performance.now() > endMs) throw new Error(`no fail-over:\n${this.#logs()}`)
      await sleep(100)
    }
  }

  /** All servers follow the primary, and one of them is its synchronous standby. Answers the primary. */
  async whenHealthy(): Promise<{
    readonly leader: string
    readonly standby: string
    readonly timeline: number
  }> {
    const endMs = performance.now() + HEALTHY_LIMIT_MS
    for (;;) {
      const states = await this.#states()
      const leader = states.find(({ role, state }) => role === 'leader' && state === 'running')
      const standby = states.find(({ role }) => role === 'sync_standby')
      const follow = states.filter(
        ({ role, state, timeline }) =>
          role !== 'leader' && /^(running|streaming)$/.test(state) && timeline === leader?.timeline,
      )
      if (leader !== undefined && standby !== undefined && follow.length === this.members.length - 1)
        return { leader: leader.name, standby: standby.name, timeline: leader.timeline ?? 0 }
      if (performance.now() > endMs)
        throw new Error(`not healthy: ${JSON.stringify(states)}\n${this.#logs()}`)
      await sleep(200)
    }
  }

  /** `patronictl COMMAND orders ...`. Errors hold what it said. */
  async patronictl(command: string, ...args: readonly string[]): Promise<void> {
    const all = ['-c', this.member().configurationFile, command, SCOPE, ...args]
    const child = spawn(this.#patronictl, all, {
      env: { ...process.env, LC_ALL: 'C.UTF-8', LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATRONICTL_LIMIT_MS,
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk
      })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`patronictl ${command} ${args.join(' ')} ended with ${code}:\n${said}`)
  }

  /** Asked of the primary; of the next one, if that is lost before it has answered. */
  async query(database: string, sql: string, values: readonly unknown[] = []): Promise<pg.QueryResultRow[]> {
    for (let attempt = 1; ; attempt++) {
      const { leader } = await this.whenHealthy()
      try {
        return await this.#ask(this.member(leader).port, database, sql, values)
      } catch (error) {
        if (attempt === QUERY_ATTEMPTS || (error instanceof pg.DatabaseError && error.severity === 'ERROR'))
          throw error
      }
    }
  }

  async #ask(
    port: number,
    database: string,
    sql: string,
    values: readonly unknown[],
  ): Promise<pg.QueryResultRow[]> {
    const login = { user: SUPERUSER, password: this.password }
    const client = new pg.Client({ host: '127.0.0.1', port, database, ...login })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query(sql, values as unknown[])).rows
    } finally {
      await client.end()
    }
  }

  /** Of Patroni and PostgreSQL, into a new folder. Answers it. */
  keepLogs(): string {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-patroni-logs-'))
    for (const member of this.members)
      writeFileSync(join(folder, `${member.name}.log`), member.log(Number.POSITIVE_INFINITY))
    return folder
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started[Symbol.asyncDispose]()
  }

  async #states(): Promise<readonly MemberState[]> {
    for (const { isRunning, isStopped, restPort } of this.members) {
      if (!isRunning || isStopped) continue
      try {
        const signal = AbortSignal.timeout(REST_LIMIT_MS)
        const answer = await fetch(`http://127.0.0.1:${restPort}/cluster`, { signal })
        return ((await answer.json()) as { members: MemberState[] }).members
      } catch {
        // Another one is asked.
      }
    }
    return []
  }

  #logs(): string {
    return this.members.map((member) => `--- ${member.name}\n${member.log()}`).join('\n')
  }
}
