/** The lives of the engine's process, one after the other, and what disturbs them. */
import type { Calls } from './calls.ts'
import { Instance } from './instance.ts'
import type { World } from './world.ts'

/** The longest time that the process stays away. */
const DOWN_MS = 3000
/** Disturbances are drawn once per macrotask, which is far more often than once per commit. */
const PER_TASK = 0.05
const QUIET_CHECK_MS = 50
/** A read that stalled before may still be on its way. */
const SETTLED_MS = 15_000
const REST_CHECKS = 200

export class Life {
  readonly #world: World
  /** The newest one. */
  instance: Instance | undefined
  #calls: Calls | undefined
  #number = 0
  #isOver = false
  #isClosing = false

  constructor(world: World) {
    this.#world = world
  }

  /** Opens an instance, and another one each time that it has died. */
  begin(calls: Calls): void {
    const world = this.#world
    this.#calls = calls
    this.#number += 1
    const diedAtMs = world.nowMs
    const instance = new Instance(world, this.#number, () => this.#died(world.nowMs))
    this.instance = instance
    this.#isClosing = false
    instance.open().then(
      () => {
        world.outage(diedAtMs, world.nowMs)
        calls.becameReady()
      },
      (error) => {
        if (!instance.isAlive) return
        world.note(`instance ${instance.number} did not open: ${error}`)
        if (!world.isFaulty) world.faults.push(`the engine did not open: ${error}`)
        instance.kill('failed')
      },
    )
  }

  /** Between two macrotasks. */
  disturb(): void {
    const world = this.#world
    const { plan } = world
    const { instance } = this
    if (!world.isFaulty || instance === undefined || !instance.isAlive) return
    if (world.drawCrash('between-tasks')) {
      instance.kill('between-tasks')
      return
    }
    const { session } = instance.store
    if (session === undefined) return
    const share = world.crashRandom()
    if (share < plan.rates.fenced * PER_TASK) {
      const known = world.state.sessions.get(session.id)
      if (known === undefined || known.fenced) return
      known.fenced = true
      world.counters.fences += 1
      world.note(`session ${session.id} is fenced by another`)
    } else if (share > 1 - plan.rates.close * PER_TASK) this.#close(instance)
  }

  /**
   * I14, without anybody's help: when the engine has come to rest, nothing that code or steps would have to do is left. A
   * call would bring a forgotten execution back to memory, so this comes before all calls.
   */
  async rest(calls: Calls): Promise<void> {
    const world = this.#world
    await calls.pause(SETTLED_MS)
    for (let check = 0; check < REST_CHECKS && this.instance?.isAtRest !== true; check++)
      await calls.pause(QUIET_CHECK_MS)
    if (this.instance?.isAtRest !== true) return
    world.state.recoverable.ascend(undefined, ({ runId, row }) => {
      if (row?.status === 'running') world.faults.push(`I14: ${runId} has work to do, and the engine rests`)
      return true
    })
  }

  /** All work has ended: so must the calls, and the engine must come to rest. */
  async finish(calls: Calls): Promise<void> {
    const world = this.#world
    const { instance } = this
    while (instance?.engine?.isQuiet !== true) await calls.pause(QUIET_CHECK_MS)
    await calls.pause(SETTLED_MS)
    for (const call of calls.outstanding)
      world.faults.push(`I14: ${call}, was not answered after all work has ended`)
    if (instance.store.inFlight > 0) world.faults.push('a commit is in flight after all work has ended')
    this.#isOver = true
    await instance.engine.close()
  }

  #close(instance: Instance): void {
    if (this.#isClosing || instance.engine === undefined) return
    this.#isClosing = true
    const world = this.#world
    world.counters.closes += 1
    world.note(`instance ${instance.number} closes`)
    instance.engine.close().then(
      // Its callers get their answers in microtasks; then the process ends.
      () => world.scheduler.clock.after(1, () => instance.kill('closed')),
      (error) => world.faults.push(`close failed: ${error}`),
    )
  }

  #died(diedAtMs: number): void {
    if (this.#isOver) return
    const world = this.#world
    const downMs = Math.floor(world.crashRandom() ** 3 * DOWN_MS)
    world.outage(diedAtMs, diedAtMs + downMs)
    const calls = this.#calls
    if (calls !== undefined) world.scheduler.clock.after(downMs, () => this.begin(calls))
  }
}
