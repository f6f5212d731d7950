/**
 * Changes the settings of the queue while the others use it. What it was answered stays so: over crashes, and restarts with
 * other settings in code.
 */
import type { Randomness } from '../../src/platform/randomness.ts'
import type { QueueChangeReply } from '../../src/protocol/queue-port.ts'
import type { QueueOverrides, QueueSettingName } from '../../src/protocol/queue-settings.ts'
import type { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import type { Calls } from './calls.ts'
import { randomFor } from './fault-plan.ts'
import type { World } from './world.ts'

const QUEUE = 'default'
const POLICIES: readonly QueueOverrides['policy'][] = [
  { name: 'fcfs' },
  { name: 'sjf' },
  { name: 'sjf', aging: 0 },
  { name: 'priority', agingMs: 100 },
  { name: 'round-robin', quantumMs: 30 },
]
const BALANCERS: readonly QueueOverrides['balancer'][] = [{ name: 'round-robin' }, { name: 'peak-ewma' }]
/** A queue that is paused for long has nothing to simulate. */
const PAUSE_MS = 300

export class QueueSettingsClient {
  readonly #world: World
  readonly #calls: Calls
  /** Of its own: what the other clients draw does not change with it. */
  readonly #random: Randomness
  #overrides: QueueOverrides = {}
  #revision = 0
  #changes = 0

  constructor(world: World, calls: Calls) {
    this.#world = world
    this.#calls = calls
    this.#random = randomFor(world.seed, 'queue settings')
  }

  async run(isOver: () => boolean): Promise<void> {
    const thinkMs = 40 * this.#world.plan.thinkMs * this.#random()
    while (!isOver()) {
      await this.#calls.pause(Math.ceil(this.#random() * thinkMs))
      await this.#act()
    }
    // All work is to end now.
    await this.#change('reset', {}, (engine) => engine.queues.reset(QUEUE))
  }

  async #act(): Promise<void> {
    const chance = this.#random()
    if (chance < 0.15) return this.#pause()
    if (chance < 0.25) return this.#look()
    if (chance < 0.4) {
      const names = this.#some(Object.keys(this.#overrides) as QueueSettingName[])
      const left = Object.entries(this.#overrides).filter(
        ([name]) => !names.includes(name as QueueSettingName),
      )
      return this.#change('reset', Object.fromEntries(left), (engine) => engine.queues.reset(QUEUE, names))
    }
    const changes = this.#changesOf()
    return this.#change('set', { ...this.#overrides, ...changes }, (engine) =>
      engine.queues.set(QUEUE, changes),
    )
  }

  async #pause(): Promise<void> {
    this.#changes += 1
    const reason = `pause ${this.#changes}`
    await this.#change('pause', { ...this.#overrides, paused: true }, (engine) =>
      engine.queues.pause(QUEUE, reason),
    )
    this.#world.pausedSinceMs = this.#world.nowMs
    await this.#calls.pause(Math.ceil(this.#random() * PAUSE_MS))
    await this.#look(reason)
    this.#world.pausedSinceMs = undefined
    const { paused: _, ...rest } = this.#overrides
    await this.#change('resume', rest, (engine) => engine.queues.resume(QUEUE))
  }

  async #look(reason?: string): Promise<void> {
    const details = await this.#calls.ofTask('queue', QUEUE, [], (engine) => engine.queues.get(QUEUE))
    if (details === undefined) return
    this.#expect(textOf(details.overrides), textOf(this.#overrides), 'settings')
    this.#expect(details.revision, this.#revision, 'revision')
    this.#expect(details.pause?.reason, reason, 'pause')
  }

  /** One at a time: what was answered last is so. A call that is repeated may have its effect twice. */
  async #change(
    call: string,
    overrides: QueueOverrides,
    make: (engine: EmbeddedEngine) => Promise<QueueChangeReply>,
  ): Promise<void> {
    const reply = await this.#calls.ofTask(`queue ${call}`, QUEUE, [], make)
    if (reply === undefined) return
    const isChanged = textOf(overrides) !== textOf(this.#overrides) || call === 'pause'
    this.#expect(reply.revision, this.#revision + (isChanged ? 1 : 0), `revision after ${call}`)
    this.#overrides = overrides
    this.#revision = reply.revision
    const row = this.#world.state.queueSettings.list({ limit: 1 })[0]
    const isDurable = (row?.revision ?? 0) >= reply.revision
    if (!isDurable) this.#world.faults.push(`I1: ${call} of the queue was answered before it was durable`)
  }

  #changesOf(): QueueOverrides {
    const random = this.#random
    const draw = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
    const all = {
      policy: draw(POLICIES),
      balancer: draw(BALANCERS),
      concurrency: draw([1, 3, null]),
      keyConcurrency: draw([1, 2, null]),
      keyRate: draw([{ perSecond: 50, burst: 2 }, null]),
    }
    const names = this.#some(Object.keys(all) as (keyof typeof all)[])
    return Object.fromEntries(names.map((name) => [name, all[name]])) as QueueOverrides
  }

  #some<T>(values: readonly T[]): T[] {
    return values.filter(() => this.#random() < 0.4)
  }

  #expect(found: unknown, expected: unknown, what: string): void {
    if (found !== expected)
      this.#world.faults.push(`the queue has ${what} ${String(found)}, and should have ${String(expected)}`)
  }
}

function textOf(overrides: QueueOverrides): string {
  return JSON.stringify(Object.entries(overrides).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
