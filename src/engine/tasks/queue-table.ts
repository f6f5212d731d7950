/** The queues of the engine, and what they give: one task of each queue in turn, while a worker has room. */
import type { PageRequest } from '../../core/queue/backlog.ts'
import { parseLaneName } from '../../core/queue/lane.ts'
import type { Clock } from '../../platform/clock.ts'
import type { LaneCount, QueueKey, TaskReads, TaskSeq } from '../../store/contract/task-rows.ts'
import type { TaskCrew } from '../workers/task-crew.ts'
import { LiveQueue, type QueueParts, queueText } from './live-queue.ts'
import { type LiveTask, taskOfRow } from './live-task.ts'

export interface QueueTableOptions {
  readonly clock: Clock
  readonly crew: TaskCrew
  readonly store: TaskReads
  /** As its settings are now. */
  readonly make: (key: QueueKey, nowMs: number) => QueueParts & Pick<LiveQueue, 'pause'>
  readonly mayTake: () => boolean
  readonly onTaken: (live: LiveQueue, task: LiveTask) => void
  readonly isTaken: (seq: TaskSeq) => boolean
  readonly onError: (error: unknown) => void
}

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
    const { pause, ...parts } = this.#options.make(own, this.#options.clock.nowMs())
    const live = new LiveQueue(own, parts)
    live.pause = pause
    this.#queues.set(text, live)
    this.#list.push(live)
    this.#options.crew.opened(live)
    return live
  }

  /** It is another node's from now on. */
  remove(live: LiveQueue): void {
    const place = this.#list.indexOf(live)
    if (place < 0) return
    live.rest()
    live.isClosed = true
    this.#list.splice(place, 1)
    this.#queues.delete(queueText(live.key))
    this.#options.crew.closed(live)
  }

  /** What waits, as the store has it. Answers the lanes that earlier settings have made: their tasks are to be moved. */
  restore(lanes: readonly LaneCount[]): ReadonlyMap<LiveQueue, readonly string[]> {
    const astray = new Map<LiveQueue, string[]>()
    for (const { lane, waiting, ...key } of lanes) {
      const live = this.of(key)
      const name = parseLaneName(lane)
      if (!live.queue.isAstray({ lane: name })) {
        live.queue.backlog.restore(name, waiting)
        continue
      }
      live.queue.stray(waiting)
      const known = astray.get(live)
      if (known === undefined) astray.set(live, [lane])
      else known.push(lane)
    }
    return astray
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
    for (const live of this.#list) if (!live.isClosed) this.#readPages(live)
  }

  #takeFrom(live: LiveQueue): boolean {
    if (live.isClosed) return false
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const { crew } = live
    const taken = live.queue.take(nowMs, (classId) => crew.canServe(classId, nowMs))
    if (taken.kind === 'task') {
      this.#options.onTaken(live, taken.task)
      return true
    }
    const returnMs = crew.nextReturnMs(nowMs)
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
    const { backlog } = live.queue
    this.#reads += 1
    const rows = await store.waiting({
      ...live.key,
      lane: page.lane.name.text,
      after: page.after,
      limit: page.limit,
    })
    if (generation !== this.#generation) return
    this.#reads -= 1
    // Other settings have another backlog; another owner has all of it.
    if (backlog !== live.queue.backlog || live.isClosed) return
    const tasks = rows.map((row) => taskOfRow(row, live.queue, page.lane.name))
    backlog.page(page, tasks, isTaken)
    this.ask()
  }
}
