/** One server of a Patroni cluster: Patroni, and the PostgreSQL that it runs. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentedConfiguration, type MemberPlace } from './documented-configuration.ts'
import { giveToUser, keeperOf, processTree, signalAll, spawnAsUser } from './system-process.ts'

const PATRONI_PID = 'patroni.pid'

export class PatroniMember implements AsyncDisposable {
  readonly name: string
  readonly port: number
  readonly restPort: number
  readonly configurationFile: string
  readonly #folder: string
  readonly #program: string
  readonly #keeper: ChildProcess
  #process: ChildProcess | undefined
  #stopped: readonly number[] = []

  constructor(program: string, place: MemberPlace) {
    this.name = place.name
    this.port = place.port
    this.restPort = place.restPort
    this.#folder = place.folder
    this.#program = program
    mkdirSync(place.folder)
    giveToUser(place.folder)
    this.configurationFile = join(place.folder, 'config.yml')
    writeFileSync(this.configurationFile, documentedConfiguration(place), { mode: 0o644 })
    this.#keeper = keeperOf([join(place.folder, PATRONI_PID), this.#postmasterFile])
  }

  get isRunning(): boolean {
    const child = this.#process
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get isStopped(): boolean {
    return this.#stopped.length > 0
  }

  get #postmasterFile(): string {
    return join(this.#folder, 'data', 'postmaster.pid')
  }

  start(): void {
    if (this.isRunning) return
    const log = join(this.#folder, 'patroni.log')
    const child = spawnAsUser(this.#program, [this.configurationFile], log)
    writeFileSync(join(this.#folder, PATRONI_PID), `${child.pid}\n`)
    this.#process = child
  }

  async killPatroni(): Promise<void> {
    const child = this.#process
    if (child === undefined || !this.isRunning) return
    const ended = once(child, 'exit')
    signalAll(processTree(Number(child.pid)), 'SIGKILL')
    await ended
  }

  /** SIGKILL of the server; its other processes end when they see it. */
  killPostgres(): void {
    const pid = this.#postmasterPid()
    if (pid !== undefined) signalAll([pid], 'SIGKILL')
  }

  /** As if the power had failed, but for what the system has not written yet. */
  async kill(): Promise<void> {
    const pid = this.#postmasterPid()
    const postgres = pid === undefined ? [] : processTree(pid)
    await this.killPatroni()
    signalAll(postgres, 'SIGKILL')
  }

  /** Every process stands still. */
  stop(): void {
    const roots = [this.#postmasterPid(), this.#process?.pid].filter((pid) => pid !== undefined)
    // A server that stands still starts no other process meanwhile.
    signalAll(roots, 'SIGSTOP')
    const all = roots.flatMap(processTree)
    signalAll(all, 'SIGSTOP')
    this.#stopped = all
  }

  go(): void {
    signalAll(this.#stopped, 'SIGCONT')
    this.#stopped = []
  }

  /** What Patroni and its PostgreSQL have said, the end of it. */
  log(lines = 30): string {
    const file = join(this.#folder, 'patroni.log')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-lines).join('\n') : ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.go()
    await this.kill()
    this.#keeper.kill('SIGKILL')
  }

  #postmasterPid(): number | undefined {
    if (!existsSync(this.#postmasterFile)) return undefined
    const pid = Number(readFileSync(this.#postmasterFile, 'utf8').split('\n')[0])
    // A server that was killed leaves its file, and its number may be another's by now.
    return Number.isSafeInteger(pid) && isPostgres(pid) ? pid : undefined
  }
}

function isPostgres(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres')
  } catch {
    return false
  }
}
