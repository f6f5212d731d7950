/**
 * The queues of the engine, and what they give: one task of each queue in turn, while a worker has room.
 *
 * Lanes that were written under other settings are moved first, page by page: until then nothing is given.
 */
import type { PageRequest } from '../../core/queue/backlog.ts'
import { parseLaneName } from '../../core/queue/lane.ts'
import type { Clock } from '../../platform/clock.ts'
import type { LaneCount, QueueKey, TaskReads, TaskSeq } from '../../store/contract/task-rows.ts'
import type { TaskCrew } from '../workers/task-crew.ts'
import { LiveQueue, type MakeQueue, queueText } from './live-queue.ts'
import { type LiveTask, taskOfRow } from './live-task.ts'

export interface QueueTableOptions {
  readonly clock: Clock
  readonly crew: TaskCrew
  readonly store: TaskReads
  readonly makeQueue: MakeQueue
  readonly mayTake: () => boolean
  readonly onTaken: (live: LiveQueue, task: LiveTask) => void
  readonly isTaken: (seq: TaskSeq) => boolean
  /** Puts a waiting task where the present settings want it. */
  readonly rekey: (task: LiveTask) => void
  readonly onError: (error: unknown) => void
}

const REKEY_ROWS = 1000
const BEFORE_ALL = { rank: Number.NEGATIVE_INFINITY, seq: -1 }

export class QueueTable {
  readonly #options: QueueTableOptions
  readonly #queues = new Map<string, LiveQueue>()
  readonly #list: LiveQueue[] = []
  #next = 0
  #isAsked = false
  #reads = 0
  #generation = 0

  constructor(options: QueueTableOptions) {
    this.#options = options
  }

  /** Pages are read, or a look at the queues is asked for. */
  get isBusy(): boolean {
    return this.#isAsked || this.#reads > 0
  }

  all(): readonly LiveQueue[] {
    return this.#list
  }

  of(key: QueueKey): LiveQueue {
    const text = queueText(key)
    const known = this.#queues.get(text)
    if (known !== undefined) return known
    const { namespace, queue, partition } = key
    const own = { namespace, queue, partition }
    const live = new LiveQueue(own, this.#options.makeQueue(own, this.#options.clock.nowMs()))
    this.#queues.set(text, live)
    this.#list.push(live)
    this.#options.crew.opened(live)
    return live
  }

  /** What waits, as the store has it; resolves when all of it is where the present settings want it. */
  async restore(lanes: readonly LaneCount[]): Promise<void> {
    const moved: Promise<void>[] = []
    for (const lane of lanes) {
      const live = this.of(lane)
      const name = parseLaneName(lane.lane)
      if (name.policy === live.queue.policyTag) live.queue.backlog.restore(name, lane.waiting)
      else moved.push(this.#rekey(live, lane))
    }
    await Promise.all(moved)
  }

  reset(): void {
    this.#generation += 1
    for (const live of this.#list) live.rest()
    this.#options.crew.reset()
    this.#queues.clear()
    this.#list.length = 0
    this.#reads = 0
  }

  /** Looks at the queues soon. */
  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    this.#options.clock.defer(() => {
      this.#isAsked = false
      try {
        this.#look()
      } catch (error) {
        this.#options.onError(error)
      }
    })
  }

  #look(): void {
    const { crew, mayTake } = this.#options
    let refusals = 0
    while (crew.hasRoom && refusals < this.#list.length && mayTake()) {
      const live = this.#list[this.#next % this.#list.length]
      this.#next = (this.#next + 1) % this.#list.length
      if (live !== undefined && this.#takeFrom(live)) refusals = 0
      else refusals += 1
    }
    for (const live of this.#list) this.#readPages(live)
  }

  #takeFrom(live: LiveQueue): boolean {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const { crew } = live
    const taken = live.queue.take(nowMs, (classId) => crew.canServe(classId, nowMs))
    if (taken.kind === 'task') {
      this.#options.onTaken(live, taken.task)
      return true
    }
    const returnMs = crew.fleet.nextReturnMs
    const wakeMs =
      taken.kind === 'rate' || taken.kind === 'nothing' ? Math.min(taken.wakeMs, returnMs) : returnMs
    if (Number.isFinite(wakeMs)) this.#wakeAt(live, wakeMs, nowMs)
    return false
  }

  #wakeAt(live: LiveQueue, atMs: number, nowMs: number): void {
    if (live.wake !== undefined && live.wake.atMs <= atMs) return
    live.rest()
    const cancel = this.#options.clock.after(Math.max(0, atMs - nowMs), () => {
      live.wake = undefined
      this.ask()
    })
    live.wake = { cancel, atMs }
  }

  #readPages(live: LiveQueue): void {
    for (let page = live.queue.readPage(); page !== undefined; page = live.queue.readPage())
      this.#read(live, page).catch(this.#options.onError)
  }

  async #read(live: LiveQueue, page: PageRequest<LiveTask>): Promise<void> {
    const { store, isTaken } = this.#options
    const generation = this.#generation
    this.#reads += 1
    const rows = await store.waiting({
      ...live.key,
      lane: page.lane.name.text,
      after: page.after,
      limit: page.limit,
    })
    if (generation !== this.#generation) return
    this.#reads -= 1
    const tasks = rows.map((row) => taskOfRow(row, live.queue, page.lane.name))
    live.queue.backlog.page(page, tasks, isTaken)
    this.ask()
  }

  async #rekey(live: LiveQueue, { lane }: LaneCount): Promise<void> {
    const { store, rekey } = this.#options
    const generation = this.#generation
    this.#reads += 1
    let after = BEFORE_ALL
    for (;;) {
      const rows = await store.waiting({ ...live.key, lane, after, limit: REKEY_ROWS })
      if (generation !== this.#generation) return
      for (const row of rows) rekey(taskOfRow(row, live.queue))
      const last = rows.at(-1)
      if (last === undefined || rows.length < REKEY_ROWS) break
      after = { rank: last.rank, seq: last.seq }
    }
    this.#reads -= 1
    this.ask()
  }
}
