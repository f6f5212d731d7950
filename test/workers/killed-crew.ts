/** Worker processes of which one after another is killed at random, and replaced. */
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Randomness } from '../../src/platform/randomness.ts'

export class KilledCrew {
  kills = 0
  /** All executions may wait for it. */
  readonly #killed = new EventEmitter().setMaxListeners(0)
  readonly #program: string
  readonly #args: readonly string[]
  readonly #workers = new Set<ChildProcess>()
  readonly #connected = new Set<ChildProcess>()
  #started = 0

  /** @param program a file of this folder, called with `args` and an id; it writes something when it is connected */
  constructor(program: string, ...args: readonly string[]) {
    this.#program = join(import.meta.dirname, program)
    this.#args = args
  }

  /** Resolves when all are connected. */
  async start(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => once(this.#start().stdout, 'data')))
  }

  /** Kills one of at least `least` connected ones every 60 to 180 ms, until `work` has settled. */
  async killUntil<T>(work: Promise<T>, random: Randomness, least: number): Promise<T> {
    let isOpen = true
    const settled = work.then(
      () => {
        isOpen = false
      },
      () => {
        isOpen = false
      },
    )
    while (isOpen) {
      await Promise.race([pause(60 + random() * 120), settled])
      if (isOpen && this.#connected.size >= least) this.killOne(random)
    }
    return work
  }

  /** Kills one of those that are connected; another one is started. */
  killOne(random: Randomness): void {
    const alive = [...this.#connected]
    if (alive[Math.floor(random() * alive.length)]?.kill('SIGKILL') === true) {
      this.kills += 1
      this.#killed.emit('kill')
    }
    this.#start()
  }

  /** Resolves when so many are connected. */
  async whole(count: number): Promise<void> {
    while (this.#connected.size < count) await pause(5)
  }

  /** Resolves when so many have been killed in all. */
  async killed(count: number): Promise<void> {
    while (this.kills < count) await once(this.#killed, 'kill')
  }

  async end(): Promise<void> {
    const ends = [...this.#workers].map((child) => once(child, 'exit'))
    for (const child of this.#workers) child.kill('SIGKILL')
    await Promise.all(ends)
  }

  #start() {
    const id = `w${this.#started++}`
    const args = [...process.execArgv, this.#program, ...this.#args, id]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#workers.add(child)
    child.once('exit', () => {
      this.#workers.delete(child)
      this.#connected.delete(child)
    })
    child.stdout.once('data', () => this.#connected.add(child))
    return child
  }
}
