/** What the clients of a simulation of dispatch do: they enqueue tasks, cancel some, retry some, and remember what was answered. */
import { PerdureError } from '../../../src/protocol/errors.ts'
import type { TaskCallOptions } from '../../../src/sdk/tasks/task-options.ts'
import type { EmbeddedEngine } from '../../../src/server/embedded-engine.ts'
import type { DispatchWorld } from './dispatch-world.ts'
import { type DispatchedPlan, dispatchedTask } from './dispatched-task.ts'
import { LABEL } from './worker-processes.ts'

const REPEATED = new Set(['UNCOMMITTED', 'OVERLOADED'])
const REPEAT_PAUSE_MS = 20
const THINK_MS = 20
const RECENT = 40

export class DispatchLoad {
  /** Enqueued, and told so. */
  readonly acknowledged: string[] = []
  readonly expiring = new Set<string>()
  readonly #world: DispatchWorld
  readonly #engine: EmbeddedEngine
  #ids = 0

  constructor(world: DispatchWorld, engine: EmbeddedEngine) {
    this.#world = world
    this.#engine = engine
  }

  /** Resolves when all clients have stopped. */
  async run(isEnough: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: this.#world.plan.clients }, () => this.#client(isEnough)))
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.after(ms, resolve))
  }

  /** Tasks that have not ended. */
  get open(): number {
    let open = 0
    const { tasks } = this.#world.base.durable
    for (const { status } of tasks.byId.values())
      if (status === 'waiting' || status === 'delayed' || status === 'running') open += 1
    return open
  }

  async #client(isEnough: () => boolean): Promise<void> {
    const random = this.#world.loadRandom
    while (!isEnough()) {
      await this.pause(1 + Math.floor(random() * THINK_MS))
      const chance = random()
      if (chance < 0.03) await this.#change('cancel')
      else if (chance < 0.05) await this.#change('retry')
      else if (this.openAbout < this.#world.plan.openTasks) await this.#enqueue()
    }
  }

  /** Of those that were acknowledged; cheaper than `open`. */
  get openAbout(): number {
    return this.#ids - this.#world.base.durable.tasks.ended
  }

  async #enqueue(): Promise<void> {
    const { books, counters, loadRandom: random } = this.#world
    const count = 1 + Math.floor(random() * 12)
    const plans = Array.from({ length: count }, () => this.#plan())
    const ids = plans.map(() => `t${this.#ids++}`)
    const options = ids.map((id) => this.#options(id))
    for (const id of ids) books.asked(id)
    const done = await this.#made(async () => {
      await this.#engine.enqueueMany(dispatchedTask, plans, (_, i) => options[i] ?? {})
      return true
    }, [])
    if (done !== true) return
    counters.tasks += count
    for (const id of ids) {
      this.acknowledged.push(id)
      if (this.#world.base.durable.tasks.statusOf(id) === undefined)
        this.#world.fault(`task ${id} was acknowledged before it was durable`)
    }
  }

  #options(id: string): TaskCallOptions & { readonly id: string } {
    const random = this.#world.loadRandom
    const chance = random()
    if (chance < 0.04) this.expiring.add(id)
    return {
      id,
      key: `k${Math.floor(random() * 4)}`,
      priority: Math.floor(random() * 10),
      ...(random() < 0.05 ? { delay: Math.floor(random() * 500) } : {}),
      ...(random() < 0.1 ? { affinity: `a${Math.floor(random() * 5)}` } : {}),
      ...(random() < 0.05 ? { requires: { labels: LABEL } } : random() < 0.1 ? { requires: { cpu: 2 } } : {}),
      ...(chance < 0.04 ? { timeouts: { scheduleToClose: 20 + Math.floor(random() * 400) } } : {}),
      ...(chance > 0.8 ? { timeouts: { startToClose: 30, heartbeat: 25 } } : {}),
    }
  }

  #plan(): DispatchedPlan {
    const random = this.#world.loadRandom
    return {
      ms: random() < 0.3 ? 0 : Math.floor(random() * 40),
      failures: random() < 0.1 ? 1 + Math.floor(random() * 5) : 0,
      isFatal: random() < 0.02,
      slices: random() < 0.15 ? 1 + Math.floor(random() * 3) : 0,
      beats: random() < 0.2 ? 1 + Math.floor(random() * 4) : 0,
      isStubborn: random() < 0.3,
      kills: random() < 0.004 ? 1 + Math.floor(random() * 5) : 0,
    }
  }

  async #change(call: 'cancel' | 'retry'): Promise<void> {
    const { books, loadRandom: random } = this.#world
    const at = this.acknowledged.length - 1 - Math.floor(random() ** 2 * RECENT)
    const id = this.acknowledged[at]
    const book = id === undefined ? undefined : books.tasks.get(id)
    if (id === undefined || book === undefined) return
    if (call === 'cancel') book.mayBeCancelled = true
    else book.mayBeRetried = true
    await this.#made(async () => {
      await this.#engine.task(dispatchedTask, id)[call]()
      return true
    }, ['TASK_CLOSED', 'TASK_OPEN'])
  }

  async #made<T>(call: () => Promise<T>, expected: readonly string[]): Promise<T | undefined> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        const code = error instanceof PerdureError ? error.code : ''
        if (expected.includes(code)) return undefined
        if (!REPEATED.has(code)) {
          this.#world.fault(`a client was answered with ${error instanceof Error ? error.stack : error}`)
          return undefined
        }
      }
      await this.pause(REPEAT_PAUSE_MS)
    }
  }
}
