/**
 * Tasks that are in memory because the store is behind: they run, or have changes that are not committed.
 *
 * What is changed while the store is read stays here until nobody reads: whoever reads gets what is here instead.
 */
import type { Clock } from '../../platform/clock.ts'
import type { HeldKey, TaskKey, TaskSeq } from '../../store/contract/task-rows.ts'
import { type LiveTask, taskIdText } from './live-task.ts'

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
  #leaving: LiveTask[] = []
  #goneFromStore: TaskSeq[] = []
  #reads = 0

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

  withKey({ namespace, dedupe }: HeldKey): readonly TaskSeq[] {
    return [...(this.#byKey.get(taskIdText(namespace, dedupe)) ?? [])]
  }

  /** A new task with an id. */
  putId({ seq, head: { namespace, givenId } }: LiveTask): void {
    if (givenId !== null) this.#byId.set(taskIdText(namespace, givenId), seq)
  }

  /** Reads the store; the answer is to be looked at in the turn in which it comes. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    this.#reads += 1
    try {
      return await read()
    } finally {
      this.#clock.defer(() => {
        this.#reads -= 1
        if (this.#reads > 0) return
        for (const task of this.#leaving.splice(0)) this.#leave(task)
        for (const seq of this.#goneFromStore.splice(0)) this.#deleted.delete(seq)
      })
    }
  }

  /** A change of it was committed. */
  committed(task: LiveTask): void {
    if (this.#reads > 0) this.#leaving.push(task)
    else this.#leave(task)
  }

  deleting(seq: TaskSeq): void {
    this.#deleted.add(seq)
  }

  isDeleted(seq: TaskSeq): boolean {
    return this.#deleted.has(seq)
  }

  deleted(seq: TaskSeq): void {
    if (this.#reads > 0) this.#goneFromStore.push(seq)
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
    this.#leaving = []
    this.#goneFromStore = []
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
