/** Members of etcd on 127.0.0.1 and free ports: where Patroni keeps who leads. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../postgres/server.ts'
import type { EtcdApi } from './patroni-programs.ts'
import { giveToUser, keeperOf, spawnAsUser } from './system-process.ts'

const START_LIMIT_MS = 60_000

interface Member {
  readonly name: string
  readonly clientPort: number
  readonly peerPort: number
}

export interface EtcdOptions {
  readonly program: string
  /** Of their data; it is made. */
  readonly folder: string
  readonly count: number
  readonly api: EtcdApi
}

export class EtcdMembers implements AsyncDisposable {
  readonly #members: readonly Member[]
  readonly #options: EtcdOptions
  readonly #processes = new Map<string, ChildProcess>()
  readonly #keeper: ChildProcess

  private constructor(options: EtcdOptions, members: readonly Member[]) {
    this.#options = options
    this.#members = members
    this.#keeper = keeperOf(members.map(({ name }) => join(options.folder, `${name}.pid`)))
  }

  static async start(options: EtcdOptions): Promise<EtcdMembers> {
    const members: Member[] = []
    for (let i = 1; i <= options.count; i++)
      members.push({ name: `etcd${i}`, clientPort: await freePort(), peerPort: await freePort() })
    mkdirSync(options.folder)
    giveToUser(options.folder)
    const etcd = new EtcdMembers(options, members)
    try {
      for (const { name } of members) etcd.start(name)
      await Promise.all(members.map(({ clientPort }) => healthy(clientPort)))
    } catch (error) {
      await etcd[Symbol.asyncDispose]()
      throw error
    }
    return etcd
  }

  get names(): readonly string[] {
    return this.#members.map(({ name }) => name)
  }

  get clientPorts(): readonly number[] {
    return this.#members.map(({ clientPort }) => clientPort)
  }

  start(name: string): void {
    const member = this.#members.find((each) => each.name === name)
    if (member === undefined) throw new Error(`there is no etcd member ${name}`)
    const client = `http://127.0.0.1:${member.clientPort}`
    const peer = `http://127.0.0.1:${member.peerPort}`
    const cluster = this.#members.map((each) => `${each.name}=http://127.0.0.1:${each.peerPort}`).join()
    const { program, folder, api } = this.#options
    const args = ['--name', name, '--data-dir', join(folder, name)]
    if (api === 2) args.push('--enable-v2')
    args.push('--listen-client-urls', client, '--advertise-client-urls', client)
    args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer)
    args.push('--initial-cluster', cluster)
    const child = spawnAsUser(program, args, join(folder, `${name}.log`))
    writeFileSync(join(folder, `${name}.pid`), `${child.pid}\n`)
    this.#processes.set(name, child)
  }

  async kill(name: string): Promise<void> {
    const child = this.#processes.get(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ name }) => this.kill(name)))
    this.#keeper.kill('SIGKILL')
  }
}

async function healthy(port: number): Promise<void> {
  const endMs = performance.now() + START_LIMIT_MS
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
    if (answer?.ok === true) return
    if (performance.now() > endMs) throw new Error('etcd does not become healthy')
    await sleep(100)
  }
}
