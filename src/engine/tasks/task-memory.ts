/**
 * Tasks that are in memory because the store is behind: they run, or have changes that are not committed.
 *
 * What is changed while the store is read stays here until the reads that had begun by then are over: whoever reads gets
 * what is here instead. Reads that begin later see the change in the store. So it leaves also if somebody always reads.
 */
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Clock } from '../../platform/clock.ts'
import type { HeldKey, TaskKey, TaskSeq } from '../../store/contract/task-rows.ts'
import { type LiveTask, taskIdText } from './live-task.ts'

/** What was committed between the beginnings of two reads. */
interface Leaving {
  /** Reads that had begun by then. */
  readonly begun: number
  readonly tasks: LiveTask[]
  readonly gone: TaskSeq[]
}

export class TaskMemory {
  readonly #clock: Clock
  /** It has nothing that the store has not. */
  readonly #mayLeave: (task: LiveTask) => boolean
  readonly #bySeq = new Map<TaskSeq, LiveTask>()
  /** Of those that were given an id. */
  readonly #byId = new Map<string, TaskSeq>()
  /** Of those that have a key for deduplication or debouncing, whether they hold it or not. */
  readonly #byKey = new Map<string, Set<TaskSeq>>()
  /** Deleted, and perhaps still read: for calls they are gone. */
  readonly #deleted = new Set<TaskSeq>()
  /** Of those that go on, and of those that are over and began after one that goes on, in the order of their beginning. */
  readonly #reads: { isOver: boolean }[] = []
  /** All reads before the first of these are over. */
  #over = 0
  readonly #leaving: Leaving[] = []

  constructor(clock: Clock, mayLeave: (task: LiveTask) => boolean) {
    this.#clock = clock
    this.#mayLeave = mayLeave
  }

  get(seq: TaskSeq): LiveTask | undefined {
    return this.#bySeq.get(seq)
  }

  seqOf({ namespace, id }: TaskKey): TaskSeq | undefined {
    return this.#byId.get(taskIdText(namespace, id))
  }

  put(task: LiveTask): void {
    this.#bySeq.set(task.seq, task)
    const { keyText } = task
    if (keyText === undefined) return
    const text = taskIdText(task.head.namespace, keyText)
    const known = this.#byKey.get(text)
    if (known === undefined) this.#byKey.set(text, new Set([task.seq]))
    else known.add(task.seq)
  }

  /** Queues that the tasks here refer to. */
  queues(): Set<TaskQueue<LiveTask>> {
    const queues = new Set<TaskQueue<LiveTask>>()
    for (const { queue } of this.#bySeq.values()) if (queue !== undefined) queues.add(queue)
    return queues
  }

  withKey({ namespace, dedupe }: HeldKey): readonly TaskSeq[] {
    return [...(this.#byKey.get(taskIdText(namespace, dedupe)) ?? [])]
  }

  /** A new task with an id. */
  putId({ seq, head: { namespace, givenId } }: LiveTask): void {
    if (givenId !== null) this.#byId.set(taskIdText(namespace, givenId), seq)
  }

  /** Reads the store; the answer is to be looked at in the turn in which it comes. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    const own = { isOver: false }
    this.#reads.push(own)
    try {
      return await read()
    } finally {
      this.#clock.defer(() => {
        own.isOver = true
        this.#letGo()
      })
    }
  }

  /** A change of it was committed. */
  committed(task: LiveTask): void {
    if (this.#reads.length === 0) {
      this.#leave(task)
      return
    }
    const leaving = this.#newestLeaving()
    task.readsBegun = leaving.begun
    leaving.tasks.push(task)
  }

  deleting(seq: TaskSeq): void {
    this.#deleted.add(seq)
  }

  isDeleted(seq: TaskSeq): boolean {
    return this.#deleted.has(seq)
  }

  deleted(seq: TaskSeq): void {
    if (this.#reads.length > 0) this.#newestLeaving().gone.push(seq)
    else this.#deleted.delete(seq)
  }

  /** Forgets those that are another node's. */
  forget(isGone: (task: LiveTask) => boolean): void {
    for (const task of [...this.#bySeq.values()]) if (isGone(task)) this.#remove(task)
  }

  clear(): void {
    this.#bySeq.clear()
    this.#byId.clear()
    this.#byKey.clear()
    this.#deleted.clear()
    this.#leaving.length = 0
  }

  #newestLeaving(): Leaving {
    const begun = this.#over + this.#reads.length
    const newest = this.#leaving.at(-1)
    if (newest?.begun === begun) return newest
    const fresh: Leaving = { begun, tasks: [], gone: [] }
    this.#leaving.push(fresh)
    return fresh
  }

  /** What no read can be behind of any more. */
  #letGo(): void {
    while (this.#reads[0]?.isOver === true) {
      this.#reads.shift()
      this.#over += 1
    }
    for (
      let first = this.#leaving[0];
      first !== undefined && first.begun <= this.#over;
      first = this.#leaving[0]
    ) {
      this.#leaving.shift()
      // One that was committed again since leaves later.
      for (const task of first.tasks) if (task.readsBegun === first.begun) this.#leave(task)
      for (const seq of first.gone) this.#deleted.delete(seq)
    }
  }

  #leave(task: LiveTask): void {
    if (this.#mayLeave(task) && this.#bySeq.get(task.seq) === task) this.#remove(task)
  }

  #remove(task: LiveTask): void {
    this.#bySeq.delete(task.seq)
    const { givenId, namespace } = task.head
    if (givenId !== null) this.#byId.delete(taskIdText(namespace, givenId))
    if (task.keyText === undefined) return
    const text = taskIdText(namespace, task.keyText)
    const known = this.#byKey.get(text)
    if (known?.delete(task.seq) === true && known.size === 0) this.#byKey.delete(text)
  }
}
