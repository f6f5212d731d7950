/**
 * The queues of the engine, and what they give: one task of each queue in turn, while a worker has room.
 *
 * 1. Looked at are those in which something waits. So a queue that is empty costs nothing, however many there are.
 * 2. A look that was refused is made good when what refused it is over.
 * 3. A queue that only its tasks have named is forgotten when it is empty and others come: its name may be one of very many.
 */
import type { PageRequest } from '../../core/queue/backlog.ts'
import { parseLaneName } from '../../core/queue/lane.ts'
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Clock } from '../../platform/clock.ts'
import type { LaneCount, QueueKey, TaskSeq } from '../../store/contract/task-rows.ts'
import type { TaskCrew } from '../workers/task-crew.ts'
import { LiveQueue, type QueueParts, queueText } from './live-queue.ts'
import { type LiveTask, taskOfRow } from './live-task.ts'
import type { ReadWaiting } from './task-desk-options.ts'

export interface QueueTableOptions {
  readonly clock: Clock
  readonly crew: TaskCrew
  readonly waiting: ReadWaiting
  /** As its settings are now. */
  readonly make: (key: QueueKey, nowMs: number) => QueueParts & Pick<LiveQueue, 'pause'>
  readonly mayTake: () => boolean
  /** @param nowMs for which the crew has said that it can serve it */
  readonly onTaken: (live: LiveQueue, task: LiveTask, nowMs: number) => void
  readonly isTaken: (seq: TaskSeq) => boolean
  /** It has settings, which may have a memory. */
  readonly isNamed: (key: QueueKey) => boolean
  /** Queues that tasks in memory refer to. */
  readonly inUse: () => ReadonlySet<TaskQueue<LiveTask>>
  readonly onError: (error: unknown) => void
}

/** So many queues are made before empty ones are looked for, at least. */
const SWEEP_QUEUES = 1000

export class QueueTable {
  readonly #options: QueueTableOptions
  readonly #queues = new Map<string, LiveQueue>()
  /** In the order in which they were made. */
  #list: LiveQueue[] = []
  /** Those in which something waits. */
  readonly #active: LiveQueue[] = []
  #sweepAt = SWEEP_QUEUES
  #wasRefused = false
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
    if (known !== undefined) {
      known.isUsed = true
      return known
    }
    if (this.#list.length >= this.#sweepAt) this.#sweep()
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

  /** Something of it waits now, and nothing did before. */
  waits(key: QueueKey): void {
    const live = this.of(key)
    if (live.isActive) return
    live.isActive = true
    this.#active.push(live)
    this.#options.crew.wake(live)
  }

  /** It is another node's from now on. */
  remove(live: LiveQueue): void {
    const place = this.#list.indexOf(live)
    if (place < 0) return
    this.#list.splice(place, 1)
    this.#forget(live)
  }

  #forget(live: LiveQueue): void {
    live.rest()
    live.isClosed = true
    this.#queues.delete(queueText(live.key))
    this.#options.crew.closed(live)
  }

  /** Forgets those that nobody has used since the last sweep, and that have nothing. */
  #sweep(): void {
    const { isNamed, inUse } = this.#options
    const held = inUse()
    this.#list = this.#list.filter((live) => {
      const { isUsed, isActive, key, queue, crew } = live
      live.isUsed = false
      const isKept = isUsed || isActive || queue.limits.running > 0 || held.has(queue) || isNamed(key)
      // An ejection is not forgiven so.
      if (isKept || Number.isFinite(crew.fleet.nextReturnMs)) return true
      this.#forget(live)
      return false
    })
    this.#sweepAt = this.#list.length + Math.max(SWEEP_QUEUES, this.#list.length)
  }

  /** What waits, as the store has it. Answers the lanes that earlier settings have made: their tasks are to be moved. */
  restore(lanes: readonly LaneCount[]): ReadonlyMap<LiveQueue, readonly string[]> {
    const astray = new Map<LiveQueue, string[]>()
    for (const { lane, waiting, ...key } of lanes) {
      const live = this.of(key)
      this.waits(key)
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
    this.#active.length = 0
    this.#sweepAt = SWEEP_QUEUES
    this.#wasRefused = false
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

  /** Looks again if a look was refused, and would not be now. */
  askAgain(): void {
    if (this.#wasRefused && this.#options.mayTake()) this.ask()
  }

  #look(): void {
    const { crew, mayTake } = this.#options
    const active = this.#active
    this.#wasRefused = false
    let refusals = 0
    while (crew.hasRoom && refusals < active.length) {
      if (!mayTake()) {
        this.#wasRefused = true
        break
      }
      const live = active[this.#next % active.length]
      this.#next = (this.#next + 1) % active.length
      if (live !== undefined && this.#takeFrom(live)) refusals = 0
      else refusals += 1
    }
    this.#settle()
  }

  /** Those in which nothing waits are not looked at any more; of the others pages are read. */
  #settle(): void {
    const active = this.#active
    let kept = 0
    let next = this.#next
    for (let place = 0; place < active.length; place++) {
      const live = active[place]
      if (live === undefined) break
      if (live.isClosed || live.queue.waiting === 0) {
        if (place < this.#next) next -= 1
        live.isActive = false
        live.rest()
        this.#options.crew.rests(live)
        continue
      }
      this.#readPages(live)
      active[kept] = live
      kept += 1
    }
    active.length = kept
    this.#next = next
  }

  #takeFrom(live: LiveQueue): boolean {
    if (live.isClosed || live.queue.waiting === 0) return false
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const { crew } = live
    const taken = live.queue.take(nowMs, (classId) => crew.canServe(classId, nowMs))
    if (taken.kind === 'task') {
      this.#options.onTaken(live, taken.task, nowMs)
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
    const { waiting, isTaken } = this.#options
    const generation = this.#generation
    const { backlog } = live.queue
    this.#reads += 1
    const rows = await waiting({
      ...live.key,
      lane: page.lane.name.text,
      after: page.after,
      limit: page.limit,
    })
    if (generation !== this.#generation) return
    this.#reads -= 1
    // Other settings have another backlog; another owner has all of it.
    if (rows === undefined || backlog !== live.queue.backlog || live.isClosed) return
    const tasks = rows.map((row) => taskOfRow(row, live.queue, page.lane.name))
    backlog.page(page, tasks, isTaken)
    this.ask()
  }
}
