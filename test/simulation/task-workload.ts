/** What the clients of a simulation of tasks do. */
import type { Randomness } from '../../src/platform/randomness.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { TaskFailedError } from '../../src/sdk/tasks/task-failed-error.ts'
import type { Calls } from './calls.ts'
import { QueueSettingsClient } from './queue-settings-client.ts'
import { simulatedTask, type TaskPlan } from './simulated-task.ts'
import type { World } from './world.ts'

const RECENT_IDS = 30
const DRAIN_PAUSE_MS = 1000
const DRAIN_ROUNDS = 60

export class TaskWorkload {
  readonly #world: World
  readonly #calls: Calls
  readonly #random: Randomness
  readonly #settings: QueueSettingsClient
  #ids = 0
  #isOver = false

  constructor(world: World, calls: Calls) {
    this.#world = world
    this.#calls = calls
    this.#random = world.workloadRandom
    this.#settings = new QueueSettingsClient(world, calls)
  }

  async run(isEnough: () => boolean): Promise<true> {
    this.#isOver = false
    const clients = Array.from({ length: this.#world.plan.clients }, () => this.#client(isEnough))
    await Promise.all([...clients, this.#settings.run(() => this.#isOver)])
    return true
  }

  /** Waits until every task has ended, without any help. */
  async drain(): Promise<boolean> {
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      await this.#calls.pause(DRAIN_PAUSE_MS)
      const page = await this.#calls.ofTask('list', 'open tasks', [], (engine) =>
        engine.listTasks({ status: ['waiting', 'delayed', 'running'], limit: 1000 }),
      )
      if (page === undefined || page.tasks.length > 0) continue
      const queues = (await this.#calls.ofTask('queues', 'all', [], (engine) => engine.queues.list())) ?? []
      for (const { queue, waiting, running } of queues)
        if (waiting + running > 0)
          this.#world.faults.push(
            `queue ${queue} counts ${waiting} waiting and ${running} running, and all have ended`,
          )
      return true
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
    if (id === undefined || chance < 0.55) return this.#enqueue()
    if (chance < 0.57) return this.#change('delete', id, ['TASK_OPEN'])
    if (chance < 0.65) return this.#describe(id)
    if (chance < 0.68) return this.#changeTwice(id)
    if (chance < 0.75) return this.#change('cancel', id, ['TASK_CLOSED'], 'cancelled')
    if (chance < 0.87) return this.#change('retry', id, ['TASK_OPEN', 'TASK_CLOSED'])
    return this.#change('reprioritise', id, ['TASK_CLOSED'])
  }

  async #enqueue(): Promise<void> {
    const count = this.#random() < 0.2 ? 1 + Math.floor(this.#random() * 40) : 1
    const plans = Array.from({ length: count }, () => this.#plan())
    const ids = plans.map(() => `t${this.#ids++}`)
    const options = ids.map((id) => ({
      id,
      key: `k${Math.floor(this.#random() * 4)}`,
      priority: Math.floor(this.#random() * 10),
      ...(this.#random() < 0.5 ? { estimateMs: Math.floor(this.#random() * 100) } : {}),
      ...(this.#random() < 0.15 ? { delay: Math.floor(this.#random() * 1500) } : {}),
      ...(this.#random() < 0.05 ? { timeouts: { scheduleToClose: Math.floor(this.#random() * 3000) } } : {}),
      ...(this.#random() < 0.05 ? { timeouts: { startToClose: 20 } } : {}),
    }))
    const call = () =>
      this.#calls.ofTask('enqueue', ids.join(), [], (engine) =>
        engine.enqueueMany(simulatedTask, plans, (_, i) => options[i] ?? {}),
      )
    // The same call twice at a time: each task is there once.
    const [handles] = await Promise.all(this.#random() < 0.15 ? [call(), call()] : [call()])
    if (handles === undefined) return
    for (const id of ids)
      if (this.#world.durable.tasks.statusOf(id) === undefined && !this.#world.deletedTasks.has(id))
        this.#world.faults.push(`I1: task ${id} was acknowledged before it was durable`)
    for (const id of ids) if (this.#random() < 0.5) this.#inBackground(this.#result(id))
  }

  async #result(id: string): Promise<void> {
    const told = await this.#calls.ofTask('result', id, this.#orGone(id), async (engine) => {
      try {
        return { status: 'completed', text: await engine.task(simulatedTask, id).result() }
      } catch (error) {
        if (!(error instanceof TaskFailedError)) throw error
        return { status: error.status, text: '' }
      }
    })
    if (told === undefined) return
    const history = this.#world.durable.tasks.byId.get(id)
    // A failed one may have been retried since.
    if (history?.status !== told.status && !this.#isContested(id))
      this.#world.faults.push(`I1: task ${id} was told to be ${told.status}, and is ${history?.status}`)
    if (
      told.status === 'completed' &&
      !this.#world.taskCalls.some((call) => call.id === id && call.marker === told.text)
    )
      this.#world.faults.push(`I2: task ${id} has the result ${told.text}, which no call gave`)
  }

  async #describe(id: string): Promise<void> {
    await this.#calls.ofTask('describe', id, this.#orGone(id), (engine) =>
      engine.task(simulatedTask, id).describe(),
    )
  }

  async #change(
    call: 'cancel' | 'retry' | 'reprioritise' | 'delete',
    id: string,
    expected: readonly string[],
    status?: string,
  ): Promise<void> {
    const priority = Math.floor(this.#random() * 10)
    if (call === 'retry') this.#world.retriedTasks.add(id)
    if (call === 'delete') this.#world.deletedTasks.add(id)
    const done = await this.#calls.ofTask(call, id, this.#orGone(id, expected), async (engine) => {
      const handle = engine.task(simulatedTask, id)
      if (call === 'reprioritise') await handle.reprioritise(priority)
      else await handle[call]()
      return true
    })
    const history = this.#world.durable.tasks.byId.get(id)
    if (done === true && status !== undefined && history?.status !== status && !this.#isContested(id))
      this.#world.faults.push(`I1: ${call} of task ${id} was answered, and it is ${history?.status}`)
  }

  /** It may be anything, or nothing, within one batch. */
  #isContested(id: string): boolean {
    return this.#world.retriedTasks.has(id) || this.#world.deletedTasks.has(id)
  }

  /** Looked at when the answer is there: the deletion may be asked for meanwhile. */
  #orGone(id: string, expected: readonly string[] = []): readonly string[] {
    const { deletedTasks } = this.#world
    return Object.assign([...expected], {
      includes: (code: string) =>
        expected.includes(code) || (code === 'TASK_NOT_FOUND' && deletedTasks.has(id)),
    })
  }

  /** Two at a time: the second one meets what the first one has left. */
  async #changeTwice(id: string): Promise<void> {
    const second = this.#random() < 0.5 ? 'cancel' : 'reprioritise'
    await Promise.all([
      this.#change('reprioritise', id, ['TASK_CLOSED']),
      this.#change(second, id, ['TASK_CLOSED']),
    ])
  }

  #plan(): TaskPlan {
    return {
      ms: this.#random() < 0.4 ? 0 : Math.floor(this.#random() * 60),
      failures: this.#random() < 0.25 ? 1 + Math.floor(this.#random() * 5) : 0,
      isFatal: this.#random() < 0.05,
      slices: this.#random() < 0.2 ? 1 + Math.floor(this.#random() * 3) : 0,
      beats: this.#random() < 0.2,
    }
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error) =>
      this.#world.faults.push(`a client failed: ${error instanceof PerdureError ? error.stack : error}`),
    )
  }

  #someId(): string | undefined {
    const back = Math.floor(this.#random() ** 2 * Math.min(this.#ids, RECENT_IDS))
    const id = `t${this.#ids - 1 - back}`
    return this.#world.durable.tasks.statusOf(id) === undefined ? undefined : id
  }
}
