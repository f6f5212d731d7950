/**
 * One life of a worker's process: the shipped worker, on a clock of its own.
 *
 * A dead one does and hears nothing any more. One that stands still does everything later, in the same order.
 */
import type { WebSocket } from 'ws'
import type { Cancel, Clock } from '../../../src/platform/clock.ts'
import type { Logger } from '../../../src/platform/logger.ts'
import { Worker } from '../../../src/sdk/worker/worker.ts'
import { checkedWorkerSettings, type WorkerSettings } from '../../../src/sdk/worker/worker-settings.ts'
import type { DispatchWorld } from './dispatch-world.ts'
import { type TaskProcess, taskOfProcess } from './dispatched-task.ts'
import type { Link, LinkProcess } from './link.ts'

/** Longer than three heartbeats of any seed, and than the engine waits for `hello`. */
const FREEZE_MS = 15_000
/** It stands still so much more often while it connects. */
const CONNECTING = 100

export interface WorkerProcessOptions {
  readonly world: DispatchWorld
  readonly settings: Omit<WorkerSettings, 'url' | 'tasks' | 'logger'>
  readonly slowness: number
  readonly connect: (process: LinkProcess) => Link
  /** It is not there any more. */
  readonly onGone: () => void
}

export class WorkerProcess implements LinkProcess, TaskProcess {
  readonly clock: Clock
  readonly slowness: number
  isAlive = true
  readonly worker: Worker
  readonly #options: WorkerProcessOptions
  readonly #links: Link[] = []
  #frozenUntilMs = 0
  #isClosing = false

  constructor(options: WorkerProcessOptions) {
    this.#options = options
    const { world, settings, slowness } = options
    this.slowness = slowness
    this.clock = this.#ownClock()
    const checked = checkedWorkerSettings({
      url: 'ws://127.0.0.1:1',
      tasks: [taskOfProcess(world, this)],
      logger: this.#logger(),
      shutdownGrace: 300,
      ...settings,
    })
    this.worker = new Worker(checked, {
      clock: this.clock,
      random: world.random,
      probe: {
        read: () => ({ cpu: world.random(), eventLoopDelayMs: 1, memory: 0.5, diskIo: 0 }),
        stop: () => {},
      },
      open: () => this.#connect(),
    })
  }

  run(call: () => void): void {
    if (!this.isAlive) return
    const { world } = this.#options
    const waitMs = this.#frozenUntilMs - world.base.nowMs
    if (waitMs > 0) world.after(waitMs, () => this.run(call))
    else call()
  }

  disturb(): void {
    if (!this.isAlive) return
    const { world } = this.#options
    const { rates } = world.plan
    if (world.draw(rates.crash)) {
      world.counters.crashes += 1
      this.kill()
    } else if (world.draw(rates.freeze)) this.#freeze()
    else if (world.draw(rates.drain)) this.#close()
  }

  #freeze(): void {
    const { world } = this.#options
    world.counters.freezes += 1
    const ms = Math.floor(world.random() ** 3 * FREEZE_MS)
    world.base.note(`a process stands still for ${ms} ms`)
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, world.base.nowMs + ms)
  }

  /** It dies: its system says so for it, or nobody does. */
  kill(): void {
    if (!this.isAlive) return
    const { world } = this.#options
    world.base.note('a process dies')
    const isTold = world.random() < 0.7
    this.#gone()
    for (const link of this.#links) link.died(isTold)
  }

  #close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    const { world } = this.#options
    world.counters.drains += 1
    world.base.note('a process closes')
    this.worker.close().then(
      // Its last messages leave it in this turn, or soon.
      () => world.after(50, () => this.kill()),
      (error) => world.fault(`a worker did not close: ${error}`),
    )
  }

  #gone(): void {
    this.isAlive = false
    this.#options.onGone()
  }

  #connect(): WebSocket {
    const { world } = this.#options
    const link = this.#options.connect(this)
    this.#links.push(link)
    if (this.#links.length > 4) this.#links.shift()
    // The most delicate moment is that before the first message.
    if (world.draw(world.plan.rates.freeze * CONNECTING)) world.after(world.upTo(4), () => this.#freeze())
    return link.worker.asWebSocket
  }

  #ownClock(): Clock {
    const { base } = this.#options.world
    const { clock } = base.scheduler
    return {
      nowMs: () => clock.nowMs(),
      after: (delayMs, call): Cancel => {
        let isCancelled = false
        // The system's timers take a millisecond at least.
        const cancel = clock.after(Math.max(1, delayMs), () =>
          this.run(() => {
            if (!isCancelled) call()
          }),
        )
        return () => {
          isCancelled = true
          cancel()
        }
      },
      defer: (call) => clock.defer(() => this.run(call)),
    }
  }

  #logger(): Logger {
    const { world } = this.#options
    const ignore = (): void => {}
    return {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (message, { error } = {}) => {
        world.base.note(`a worker says: ${message}`)
        // Whoever watches over it starts it again. It may only be refused for good after it was made to say nonsense.
        if (world.plan.rates.garbage === 0) world.fault(`a worker says: ${message}: ${error}`)
        if (message === 'the worker stops') world.after(1, () => this.kill())
      },
    }
  }
}
