/** What the clients of a simulation do: start executions, talk to them, and disturb each other. */
import type { Randomness } from '../../src/platform/randomness.ts'
import type { Calls } from './calls.ts'
import { ProgramMaker, SIGNALS, type SignalName } from './program.ts'
import type { World } from './world.ts'

/** Clients look at the newest executions most. */
const RECENT_IDS = 40
const DRAIN_PAUSE_MS = 700
/** All programs end within these, in seconds: nothing is ended by force. */
const DRAIN_ROUNDS = 25

export class Workload {
  readonly #world: World
  readonly #calls: Calls
  readonly #random: Randomness
  readonly #maker: ProgramMaker
  #ids = 0
  #requests = 0
  #isOver = false

  constructor(world: World, calls: Calls) {
    this.#world = world
    this.#calls = calls
    this.#random = world.workloadRandom
    this.#maker = new ProgramMaker(this.#random, world.queues)
  }

  /** Runs clients until the goal is reached. */
  async run(isEnough: () => boolean): Promise<true> {
    const { clients } = this.#world.plan
    this.#isOver = false
    await Promise.all(Array.from({ length: clients }, () => this.#client(isEnough)))
    return true
  }

  /** Gives every open execution what it may wait for, one call after the other, until all have ended. */
  async drain(): Promise<boolean> {
    await this.#calls.pause(DRAIN_PAUSE_MS)
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      const open = (await this.#calls.open()) ?? []
      this.#world.note(`${open.length} executions are open`)
      if (open.length === 0) return true
      for (const { id, status } of open) {
        if (status === 'parked') await this.#calls.retry(id)
        else for (const name of SIGNALS) await this.#signal(id, name, this.#newRequest())
      }
      await this.#calls.pause(DRAIN_PAUSE_MS * (round + 1))
    }
    return false
  }

  async #client(isEnough: () => boolean): Promise<void> {
    while (!this.#isOver) {
      if (isEnough()) {
        this.#isOver = true
        return
      }
      await this.#calls.pause(Math.floor(this.#random() * this.#world.plan.thinkMs))
      await this.#act()
    }
  }

  async #act(): Promise<void> {
    const chance = this.#random()
    const id = this.#someId()
    if (id === undefined || chance < 0.3) return this.#start()
    if (chance < 0.5) return this.#signalSome(id)
    if (chance < 0.62) return this.#calls.query(id)
    if (chance < 0.75) return this.#update(id)
    if (chance < 0.8) return this.#calls.describe(id)
    if (chance < 0.87) return this.#calls.history(id)
    if (chance < 0.9) return void (await this.#calls.open())
    if (chance < 0.93) return this.#calls.cancel(id)
    if (chance < 0.95) return this.#calls.terminate(id)
    return this.#calls.retry(id)
  }

  async #start(): Promise<void> {
    const chance = this.#random()
    const used = chance < 0.1 ? this.#someId() : undefined
    const id = used ?? `e${this.#ids++}`
    const program = this.#maker.root()
    const delayMs = this.#random() < 0.12 ? Math.floor(this.#random() * 1500) : undefined
    const timeoutMs = this.#random() < 0.1 ? Math.floor(this.#random() * 4000) : undefined
    const onConflict = this.#pick(['use-existing', 'use-existing', 'terminate-existing', 'fail'] as const)
    const name = this.#pick(SIGNALS)
    const isSignalled = this.#random() < 0.15
    const plan = {
      program,
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(used === undefined ? {} : { onConflict }),
      ...(isSignalled
        ? { signal: { name, payload: this.#world.newMarker(), requestId: this.#newRequest() } }
        : {}),
    }
    const starts = [this.#calls.start(id, plan)]
    // The same start twice at a time: one of them starts it.
    if (used === undefined && this.#random() < 0.1) starts.push(this.#calls.start(id, plan))
    await Promise.all(starts)
    if (this.#random() < 0.6) this.#inBackground(this.#calls.result(id))
  }

  async #signalSome(id: string): Promise<void> {
    const requestId = this.#newRequest()
    const name = this.#pick(SIGNALS)
    if (this.#random() < 0.8) return this.#signal(id, name, requestId)
    await Promise.all([this.#signal(id, name, requestId), this.#signal(id, name, requestId)])
  }

  #signal(id: string, name: SignalName, requestId: string): Promise<void> {
    return this.#calls.signal(id, name, `${this.#world.newMarker()} ${requestId}`, requestId)
  }

  async #update(id: string): Promise<void> {
    const step = this.#random() < 0.4 ? this.#stepOfUpdate() : null
    const updateId = `u${this.#newRequest()}${this.#random() < 0.1 ? 'bad' : ''}`
    const update = this.#calls.update(id, updateId, step)
    // An update waits for its handler, and its handler for steps: the client need not.
    // Nor may it wait for ever: all clients waiting for handlers would leave nobody to send what those wait for.
    this.#inBackground(update)
    if (this.#random() < 0.5) await Promise.race([update.catch(() => {}), this.#calls.pause(60_000)])
  }

  #stepOfUpdate() {
    const failures = this.#random() < 0.3 ? 1 : 0
    return { do: 'step' as const, name: 'updated', failures, maxAttempts: 3, ms: 10 }
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error) => this.#world.faults.push(`a client failed: ${error}`))
  }

  #someId(): string | undefined {
    const { ids } = this.#world.durable
    const back = Math.floor(this.#random() ** 2 * Math.min(ids.length, RECENT_IDS))
    return ids[ids.length - 1 - back]
  }

  #newRequest(): string {
    this.#requests += 1
    return `r${this.#requests}`
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T
  }
}
