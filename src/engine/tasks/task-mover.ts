/**
 * Moves tasks that wait where earlier settings of their queue have put them, in the background, while the queue goes on.
 *
 * The lanes that a change leaves behind are read from the store, page by page in their old order, several lanes at a time
 * in turn. Each task on a page is placed anew and written; when that is durable, the next pages are read. A task that was
 * just moved may start after the commit of that, and takes a worker's place until then: so while more of them could start
 * than a page has, it rests after each page for as long as the page took.
 *
 * 1. Nothing is ever put into a lane that was left behind: a change gives all lanes new names. What leaves it meanwhile
 *    does so by its own change. So each task is moved once, by the page or by its own change, whichever is first.
 * 2. A lane is read after the commit of all that was put into it. Tasks that have changed since are in memory (see
 *    `TaskMemory`), and what memory says of them counts: one that runs, has ended, or has moved is left alone.
 * 3. When all pages were read none is astray: else a task was lost, and the engine stops.
 * 4. After a crash the lanes are found in the store by their names, and the move goes on with what it had not moved.
 */
import type { Clock } from '../../platform/clock.ts'
import type { TaskRow } from '../../store/contract/task-rows.ts'
import type { Committer } from '../committer.ts'
import { NO_RUN } from '../no-run.ts'
import type { LiveQueue } from './live-queue.ts'
import { type LiveTask, taskOfRow } from './live-task.ts'
import type { ReadWaiting } from './task-desk-options.ts'
import type { TaskMemory } from './task-memory.ts'

export interface TaskMoverOptions {
  readonly clock: Clock
  readonly waiting: ReadWaiting
  readonly committer: Committer
  readonly memory: TaskMemory
  /** Waiting tasks of a queue in memory, about: no more are moved in one commit. */
  readonly windowTasks: number | undefined
  readonly isRunning: (task: LiveTask) => boolean
  /** Puts a task that is astray where the present settings want it. */
  readonly move: (task: LiveTask) => void
  /** Looks at the queues soon. */
  readonly ask: () => void
  readonly isDraining: () => boolean
  readonly onError: (error: unknown) => void
}

/** Tasks that are moved in one commit, about, and lanes that are read at a time. */
const ROWS = 1000
const LANES = 16
const BEFORE_ALL = { rank: Number.NEGATIVE_INFINITY, seq: -1 }

interface AstrayLane {
  readonly lane: string
  /** Read up to here. */
  readonly after: { readonly rank: number; readonly seq: number }
  /** The batch with the last that was put into it. */
  readonly batch: Committer['open'] | undefined
}

export class TaskMover {
  readonly #options: TaskMoverOptions
  /** Of queues that are worked on. */
  readonly #lanes = new Map<LiveQueue, AstrayLane[]>()
  #generation = 0

  constructor(options: TaskMoverOptions) {
    this.#options = options
  }

  /** Tasks are being moved. */
  get isBusy(): boolean {
    return this.#lanes.size > 0
  }

  /** @param batch the last that was put into the lanes is in this one; undefined: it is durable */
  begin(live: LiveQueue, lanes: readonly string[], batch?: Committer['open']): void {
    const added = lanes.map((lane) => ({ lane, after: BEFORE_ALL, batch }))
    const known = this.#lanes.get(live)
    if (known !== undefined) {
      // One by one: there may be more of them than a call has arguments.
      for (const lane of added) known.push(lane)
      return
    }
    if (added.length === 0) return
    this.#lanes.set(live, added)
    this.#moveAll(live, added).catch(this.#options.onError)
  }

  /** The queue is another node's: it finds in the store what is not moved. */
  stop(live: LiveQueue): void {
    this.#lanes.delete(live)
  }

  /** Forgets everything: what is not moved is found in the store again. */
  reset(): void {
    this.#generation += 1
    this.#lanes.clear()
  }

  async #moveAll(live: LiveQueue, lanes: AstrayLane[]): Promise<void> {
    const { clock, committer, isDraining, ask, windowTasks = ROWS } = this.#options
    const generation = this.#generation
    const isOver = (): boolean => generation !== this.#generation || this.#lanes.get(live) !== lanes
    while (lanes.length > 0 && !isDraining()) {
      const round = lanes.splice(0, LANES)
      for (const { batch } of round) if (batch?.isDone === false) await this.#durable(batch)
      if (isOver()) return
      const begunMs = clock.tickMs?.() ?? 0
      const limit = Math.ceil(Math.min(ROWS, windowTasks) / round.length)
      const pages = await this.#read(live, round, limit)
      if (isOver()) return
      if (pages === undefined) {
        this.stop(live)
        return
      }
      // In the turn in which they came: what memory says of their tasks holds now.
      let moved = 0
      pages.forEach((rows, i) => {
        for (const row of rows) if (this.#move(live, row)) moved += 1
        const [lane, last] = [round[i], rows.at(-1)]
        if (lane !== undefined && last !== undefined && rows.length === limit)
          lanes.push({ ...lane, after: { rank: last.rank, seq: last.seq } })
      })
      if (moved > 0) await this.#durable(committer.open)
      if (isOver()) return
      // What has been moved is to start, too.
      const { queue } = live
      if (!queue.isHeld && queue.backlog.size > ROWS) await this.#rest((clock.tickMs?.() ?? 0) - begunMs)
      if (isOver()) return
    }
    this.#lanes.delete(live)
    const { astray } = live.queue
    if (lanes.length === 0 && astray > 0)
      throw new Error(`invariant: ${astray} tasks of queue ${live.key.queue} are astray, and none was found`)
    ask()
  }

  async #read(
    live: LiveQueue,
    lanes: readonly AstrayLane[],
    limit: number,
  ): Promise<(readonly TaskRow[])[] | undefined> {
    const { waiting, memory } = this.#options
    const pages = await memory.reading(() =>
      Promise.all(lanes.map(({ lane, after }) => waiting({ ...live.key, lane, after, limit }))),
    )
    const own = pages.filter((rows) => rows !== undefined)
    return own.length === pages.length ? own : undefined
  }

  #move({ queue }: LiveQueue, row: TaskRow): boolean {
    const { memory, isRunning, move } = this.#options
    if (memory.isDeleted(row.seq)) return false
    const task = memory.get(row.seq) ?? taskOfRow(row, queue)
    if (task.record.status !== 'waiting' || isRunning(task) || !queue.isAstray(task)) return false
    move(task)
    return true
  }

  #rest(ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => void (ms > 0 ? clock.after(ms, resolve) : clock.defer(resolve)))
  }

  /** Also when it is dropped: then everything is read again. */
  #durable(batch: Committer['open']): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        this.#options.ask()
        resolve()
      }
      this.#options.committer.wait({ batch }, { runId: NO_RUN, isStep: false, release })
    })
  }
}
