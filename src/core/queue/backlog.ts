/**
 * All that waits in a queue, and what of it is next.
 *
 * Tasks wait in lanes. A lane has tasks of one flow, one set of workers that can run them (its class) and one key of limits:
 * so what holds up one task of a lane holds up all of it, and nothing else is held up. Each class has a heap of its lanes,
 * ordered by the policy. The next task is the head of the best lane of the classes that can be served now: O(log lanes), plus
 * O(classes); classes are few.
 *
 * Of a long lane only the first tasks are in memory. Pages are read by the caller: `readPage` says which, `page` takes it.
 *
 * 1. The order is that of all tasks, whether in memory or not: where the head of the best lane is not in memory, nothing is
 *    given before its page is there.
 * 2. A page may be older than memory: what changed in batches that are not known to be committed, or that were committed
 *    while a page was being read, is kept in a log and wins over the page. Marks tell when the log can be cut.
 */
import { IndexedHeap } from './indexed-heap.ts'
import { Lane, type LaneName, type Position, type WaitingTask } from './lane.ts'
import type { SchedulingPolicy } from './policy.ts'

/** Tasks in memory of all lanes together, and of one lane, about; a lane has twice that before it drops some. */
const WINDOW_TASKS = 16_384
const LANE_TASKS_MIN = 16

export interface BacklogOptions {
  readonly policy: SchedulingPolicy
  /** Tasks in memory, about; `Infinity`: all, and no page is ever read. Default 16,384. */
  readonly windowTasks?: number
}

export interface PageRequest<Task extends WaitingTask> {
  readonly lane: Lane<Task>
  /** Tasks after this position are wanted, in order. */
  readonly after: Position
  readonly limit: number
}

/** The next task may not be in memory: read pages, and ask again. */
export const READING = Symbol('reading')

interface Change<Task> {
  readonly task: Task
  readonly isGone: boolean
}

export class Backlog<Task extends WaitingTask> {
  readonly #policy: SchedulingPolicy
  readonly #windowTasks: number
  /** By the text of their names. */
  readonly #lanes = new Map<string, Lane<Task>>()
  /** Lanes in which tasks wait, and that are not held up, by class. */
  readonly #classes = new Map<string, IndexedHeap<Lane<Task>>>()
  /** The same by flow; only for a policy with flows. */
  readonly #flows = new Map<string, Set<Lane<Task>>>()
  /** All lanes by key of limits, where there is one. */
  readonly #keys = new Map<string, Set<Lane<Task>>>()
  readonly #heldUp = new Set<string>()
  /** Lanes of which a page may be wanted. */
  readonly #wanting = new Set<Lane<Task>>()
  #log: Change<Task>[] = []
  /** Changes that were cut from the log. */
  #cut = 0
  #committed = 0
  #reads = 0
  #size = 0
  #arrivals = 0

  constructor({ policy, windowTasks = WINDOW_TASKS }: BacklogOptions) {
    this.#policy = policy
    this.#windowTasks = windowTasks
  }

  get size(): number {
    return this.#size
  }

  get inMemory(): number {
    let count = 0
    for (const lane of this.#lanes.values()) count += lane.inMemory
    return count
  }

  /** Lanes in which tasks wait. */
  *lanes(): Iterable<{ readonly name: LaneName; readonly size: number }> {
    for (const { name, size } of this.#lanes.values()) if (size > 0) yield { name, size }
  }

  /** Shows tasks in memory, in no order: all of them, or the first ones of the lanes. `look` answers whether to go on. */
  visit(which: 'heads' | 'all', look: (task: Task) => boolean): void {
    for (const lane of this.#lanes.values()) {
      if (which === 'all') {
        if (!lane.visit(look)) return
      } else if (lane.head !== undefined && !look(lane.head)) return
    }
  }

  /**
   * How many tasks are taken before the one at this position, as things are now: by a linear look at what is in memory.
   * Undefined: it is beyond that, or the policy takes turns, and the order is not fixed.
   */
  ahead(position: Position, isServable: (classId: string) => boolean): number | undefined {
    if (this.#policy.flows !== undefined) return undefined
    let count = 0
    for (const lane of this.#lanes.values()) {
      if (lane.heapIndex < 0 || !isServable(lane.name.classId)) continue
      const ahead = lane.ahead(position)
      if (ahead === undefined) return undefined
      count += ahead
    }
    return count
  }

  /** A lane as the store knows it at the start, before anything else is called. */
  restore(name: LaneName, waiting: number): void {
    if (waiting === 0) return
    const lane = this.#open(name, waiting)
    this.#size += waiting
    this.#join(lane)
    this.#want(lane)
  }

  /** A task begins to wait. */
  add(task: Task): void {
    const lane = this.#lanes.get(task.lane.text) ?? this.#open(task.lane, 0)
    const before = lane.head
    lane.add(task)
    this.#size += 1
    this.#note(task, false)
    if (lane.size === 1) this.#join(lane)
    else if (lane.head !== before) this.#order(lane)
    const limit = this.#laneTasks()
    if (lane.inMemory > 2 * limit && !lane.isReading)
      for (const dropped of lane.shed(limit)) this.#note(dropped, false)
  }

  /** A task that waits, wherever it is, does so no more. */
  remove(task: Task): void {
    const lane = this.#lanes.get(task.lane.text)
    if (lane === undefined) throw new Error(`invariant: task ${task.seq} does not wait`)
    const before = lane.head
    lane.remove(task)
    this.#size -= 1
    this.#note(task, true)
    if (lane.size === 0) this.#close(lane)
    else {
      if (lane.head !== before) this.#order(lane)
      this.#want(lane)
    }
  }

  /**
   * A task that was taken changes in the store now: until then the store says that it waits, and a page that is being read
   * may say so for longer.
   */
  left(task: Task): void {
    this.#note(task, true)
  }

  /** Takes the next task of the classes that can be served. */
  take(isServable: (classId: string) => boolean): Task | typeof READING | undefined {
    let best: Lane<Task> | undefined
    for (const [classId, lanes] of this.#classes) {
      const lane = lanes.first
      if (lane !== undefined && (best === undefined || isBefore(lane, best)) && isServable(classId))
        best = lane
    }
    if (best === undefined) return undefined
    const task = best.head
    if (task === undefined) return READING
    const { flows } = this.#policy
    flows?.charge(task.lane.flow, task.chargeMs)
    this.remove(task)
    if (flows !== undefined) this.#orderFlow(task.lane.flow)
    return task
  }

  /** An attempt of a task that was taken ended or yielded after this much service. */
  settle({ lane: { flow }, chargeMs }: Task, servedMs: number): void {
    if (this.#policy.flows === undefined) return
    this.#policy.flows.settle(flow, chargeMs, servedMs)
    this.#orderFlow(flow)
  }

  /** Tasks with this key of limits are skipped until it is let go. */
  holdUp(limitKey: string): void {
    this.#heldUp.add(limitKey)
    for (const lane of this.#keys.get(limitKey) ?? []) this.#leave(lane)
  }

  letGo(limitKey: string): void {
    this.#heldUp.delete(limitKey)
    for (const lane of this.#keys.get(limitKey) ?? []) if (lane.size > 0) this.#join(lane)
  }

  /** Where the log ends now: all changes up to here are in the batch that is being closed, or in earlier ones. */
  get mark(): number {
    return this.#cut + this.#log.length
  }

  /** What was changed up to the mark is committed. */
  committed(mark: number): void {
    this.#committed = Math.max(this.#committed, mark)
    this.#cutLog()
  }

  /** A page that is to be read now; it is answered by `page` or `pageFailed`. */
  readPage(): PageRequest<Task> | undefined {
    for (const lane of this.#wanting) {
      this.#wanting.delete(lane)
      const after = lane.horizon
      const limit = this.#laneTasks()
      if (after === undefined || lane.isReading || lane.inMemory > limit / 2) continue
      lane.isReading = true
      this.#reads += 1
      return { lane, after, limit }
    }
    return undefined
  }

  /**
   * @param rows in order; fewer than the limit: there are no more
   * @param isTaken whether a row is of a task that was taken: the store may say for long that it waits
   */
  page(
    { lane, limit }: PageRequest<Task>,
    rows: readonly Task[],
    isTaken: (seq: number) => boolean = () => false,
  ): void {
    this.#reads -= 1
    lane.isReading = false
    const changed = new Map<number, Task | undefined>()
    for (const { task, isGone } of this.#log)
      if (task.lane.text === lane.name.text) changed.set(task.seq, isGone ? undefined : task)
    for (const { seq } of rows) if (isTaken(seq) && !changed.has(seq)) changed.set(seq, undefined)
    lane.merge(rows, rows.length < limit, changed)
    this.#cutLog()
    if (lane.size === 0) this.#close(lane)
    else {
      if (lane.heapIndex >= 0) this.#order(lane)
      this.#want(lane)
    }
  }

  pageFailed({ lane }: PageRequest<Task>): void {
    this.#reads -= 1
    lane.isReading = false
    this.#wanting.add(lane)
  }

  #laneTasks(): number {
    const share = Math.floor(this.#windowTasks / Math.max(1, this.#lanes.size))
    return Math.max(share, Math.min(LANE_TASKS_MIN, this.#windowTasks))
  }

  #open(name: LaneName, stored: number): Lane<Task> {
    const lane = new Lane<Task>(name, stored)
    this.#lanes.set(name.text, lane)
    if (name.limitKey !== '') {
      const lanes = this.#keys.get(name.limitKey)
      if (lanes === undefined) this.#keys.set(name.limitKey, new Set([lane]))
      else lanes.add(lane)
    }
    return lane
  }

  /** Nothing waits in it. */
  #close(lane: Lane<Task>): void {
    this.#leave(lane)
    if (lane.isReading) return
    this.#wanting.delete(lane)
    this.#lanes.delete(lane.name.text)
    const lanes = this.#keys.get(lane.name.limitKey)
    lanes?.delete(lane)
    if (lanes?.size === 0) this.#keys.delete(lane.name.limitKey)
  }

  /** Something waits in it: it takes part, unless its key is held up. */
  #join(lane: Lane<Task>): void {
    const { limitKey, classId, flow } = lane.name
    if (this.#heldUp.has(limitKey)) return
    if (!this.#classes.has(classId)) this.#classes.set(classId, new IndexedHeap(isBefore))
    if (this.#policy.flows !== undefined) {
      const lanes = this.#flows.get(flow)
      if (lanes === undefined) this.#flows.set(flow, new Set([lane]))
      else lanes.add(lane)
      this.#arrivals += 1
      lane.tie = this.#arrivals
    }
    this.#order(lane)
  }

  #leave(lane: Lane<Task>): void {
    const { classId, flow } = lane.name
    const heap = this.#classes.get(classId)
    heap?.remove(lane)
    if (heap?.size === 0) this.#classes.delete(classId)
    const lanes = this.#flows.get(flow)
    if (lanes?.delete(lane) === true && lanes.size === 0) {
      this.#flows.delete(flow)
      this.#policy.flows?.emptied(flow)
    }
  }

  /** Puts a lane that takes part where it belongs now. */
  #order(lane: Lane<Task>): void {
    if (this.#heldUp.has(lane.name.limitKey)) return
    const { flows } = this.#policy
    if (flows === undefined) {
      const { rank, seq } = lane.start
      lane.turn = rank
      lane.tie = seq
    } else lane.turn = flows.turn(lane.name.flow, lane.head?.chargeMs ?? 0)
    this.#classes.get(lane.name.classId)?.put(lane)
  }

  #orderFlow(flow: string): void {
    for (const lane of this.#flows.get(flow) ?? []) this.#order(lane)
  }

  #want(lane: Lane<Task>): void {
    if (lane.horizon !== undefined) this.#wanting.add(lane)
  }

  #note(task: Task, isGone: boolean): void {
    if (this.#windowTasks !== Number.POSITIVE_INFINITY) this.#log.push({ task, isGone })
  }

  #cutLog(): void {
    const cut = this.#committed - this.#cut
    if (this.#reads > 0 || cut <= 0) return
    this.#log = cut === this.#log.length ? [] : this.#log.slice(cut)
    this.#cut = this.#committed
  }
}

function isBefore<Task extends WaitingTask>(a: Lane<Task>, b: Lane<Task>): boolean {
  return a.turn < b.turn || (a.turn === b.turn && a.tie < b.tie)
}
