/**
 * Finds tasks: memory first, since the store is behind.
 *
 * What is found holds for the turn in which it comes: whoever acts on it later asks `current` first, since another call may
 * have changed the task in between.
 */
import type { TaskSpec } from '../../core/task/task-record.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { repeatOf } from '../../protocol/request-mark.ts'
import type { TaskRequest } from '../../protocol/task-port.ts'
import type { HeldKey, TaskKey, TaskReads, TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import type { ReadOwn } from '../cluster/own-reads.ts'
import { type LiveTask, taskOfRow } from './live-task.ts'
import type { QueueTable } from './queue-table.ts'
import type { TaskMemory } from './task-memory.ts'

export interface TaskLookupOptions {
  readonly store: TaskReads
  readonly own: ReadOwn
  readonly memory: TaskMemory
  readonly queues: QueueTable
  /** What was read under an earlier one is not so any more. */
  readonly generation: () => number
  readonly isOpen: () => boolean
  readonly ready: () => Promise<void>
}

/** The tasks that have ids and keys of requests, as of one turn. */
export interface MetTasks {
  readonly seqs: readonly (TaskSeq | undefined)[]
  /** Of the tasks that have the ids, as far as the store has them. */
  readonly names: readonly (string | undefined)[]
  /** The same of what was asked of them, as their rows have it. */
  readonly specs: readonly (string | undefined)[]
  readonly holders: readonly (readonly LiveTask[])[]
  /** Numbers of requests that came before, and whose answer was lost. */
  readonly again: readonly (TaskSeq | undefined)[]
}

export class TaskLookup {
  readonly #options: TaskLookupOptions

  constructor(options: TaskLookupOptions) {
    this.#options = options
  }

  async find(seq: TaskSeq): Promise<LiveTask | undefined> {
    return (await this.findAll([seq]))[0]
  }

  async findAll(seqs: readonly TaskSeq[]): Promise<readonly (LiveTask | undefined)[]> {
    const { store, memory, generation, ready } = this.#options
    const before = generation()
    const rows = await memory.reading(() => store.tasks(seqs))
    if (before !== generation()) {
      await ready()
      return this.findAll(seqs)
    }
    return this.#ofRows(rows, seqs)
  }

  /** The same, for what time and messages do to tasks that this node owns; undefined: see `ReadOwn`. */
  async findOwn(seqs: readonly TaskSeq[]): Promise<readonly (LiveTask | undefined)[] | undefined> {
    const { store, own, memory, generation, ready } = this.#options
    const before = generation()
    const rows = await memory.reading(() => own(() => store.tasks(seqs)))
    if (before !== generation()) {
      await ready()
      return this.findOwn(seqs)
    }
    return rows && this.#ofRows(rows, seqs)
  }

  #ofRows(
    rows: readonly (TaskRow | undefined)[],
    seqs: readonly TaskSeq[],
  ): readonly (LiveTask | undefined)[] {
    const { memory } = this.#options
    return rows.map((row, i) => memory.get(seqs[i] ?? -1) ?? (row === undefined ? undefined : this.#of(row)))
  }

  /** Numbers of tasks by the ids that they were given. */
  async seqsOf(keys: readonly TaskKey[]): Promise<readonly (TaskSeq | undefined)[]> {
    const { store, memory, generation, ready } = this.#options
    const before = generation()
    const seqs = await memory.reading(() => store.taskSeqs(keys))
    if (before !== generation()) {
      await ready()
      return this.seqsOf(keys)
    }
    return keys.map((key, i) => memory.seqOf(key) ?? seqs[i])
  }

  /** Numbers of tasks by their ids, and the tasks that hold keys as the store has them: both as of the same turn. */
  async met(ids: readonly TaskKey[], keys: readonly HeldKey[]): Promise<Omit<MetTasks, 'again'>> {
    const { store, memory, generation, ready } = this.#options
    const before = generation()
    const [stored, rows] = await memory.reading(() =>
      Promise.all([
        ids.length === 0 ? [] : this.#named(ids),
        keys.length === 0
          ? []
          : store.keyHolders(keys).then((held) => Promise.all(held.map((each) => store.tasks(each)))),
      ]),
    )
    if (before !== generation()) {
      await ready()
      return this.met(ids, keys)
    }
    return {
      seqs: ids.map((key, i) => memory.seqOf(key) ?? stored[i]?.seq),
      names: ids.map((_, i) => stored[i]?.name),
      specs: ids.map((_, i) => stored[i]?.spec),
      holders: rows.map((each) => each.flatMap((row) => (row === undefined ? [] : [this.#of(row)]))),
    }
  }

  /** What the store has under these ids. */
  async #named(
    ids: readonly TaskKey[],
  ): Promise<
    readonly (
      | { readonly seq: TaskSeq; readonly name: string | undefined; readonly spec: string | undefined }
      | undefined
    )[]
  > {
    const { store } = this.#options
    const seqs = await store.taskSeqs(ids)
    const known = seqs.filter((seq) => seq !== undefined)
    // Most ids are new.
    const rows = known.length === 0 ? [] : await store.tasks(known)
    const bySeq = new Map(rows.flatMap((row) => (row === undefined ? [] : [[row.seq, row] as const])))
    return seqs.map((seq) => {
      if (seq === undefined) return undefined
      const row = bySeq.get(seq)
      return { seq, name: row?.name, spec: row?.spec }
    })
  }

  /**
   * Throws `TASK_ID_TAKEN` if a request has the id of a task of another name, and `IDEMPOTENCY_CONFLICT` if its key came with
   * another request. `met` is of this very turn.
   */
  assertNames(
    requests: readonly Pick<TaskRequest, 'namespace' | 'id' | 'name' | 'mark'>[],
    met: Pick<MetTasks, 'seqs' | 'names' | 'specs'>,
  ): void {
    const { memory } = this.#options
    const asked = new Map<string, string>()
    for (const [i, request] of requests.entries()) {
      const { namespace, id, name } = request
      if (id === undefined) continue
      const seq = memory.seqOf({ namespace, id }) ?? met.seqs[i]
      const live = seq === undefined ? undefined : memory.get(seq)
      const known = live?.head.name ?? (seq === undefined ? undefined : met.names[i]) ?? asked.get(id)
      if (known !== undefined && known !== name)
        throw new PerdureError('TASK_ID_TAKEN', `the id ${id} is that of a task ${known}, not ${name}`)
      asked.set(id, name)
      if (request.mark !== undefined && this.repeatAt(request, met, i) === 'other-body')
        throw new PerdureError(
          'IDEMPOTENCY_CONFLICT',
          `task ${id} was enqueued by another request with the same idempotency key`,
        )
    }
  }

  /** What the request at this place is to the one that has enqueued the task of its id. */
  repeatAt(
    { namespace, id, mark }: Pick<TaskRequest, 'namespace' | 'id' | 'mark'>,
    met: Pick<MetTasks, 'seqs' | 'specs'>,
    place: number,
  ): ReturnType<typeof repeatOf> {
    if (mark === undefined || id === undefined) return 'other'
    const { memory } = this.#options
    const seq = memory.seqOf({ namespace, id }) ?? met.seqs[place]
    const live = seq === undefined ? undefined : memory.get(seq)
    if (live !== undefined) return repeatOf(mark, live.spec.mark)
    const stored = met.specs[place]
    return repeatOf(mark, stored === undefined ? undefined : (JSON.parse(stored) as TaskSpec).mark)
  }

  /** Of tasks in memory, and of those that the store had in this turn, the one that holds the key now. */
  holder(key: HeldKey, stored: readonly LiveTask[], nowMs: number): LiveTask | undefined {
    const { memory } = this.#options
    const known = [
      ...memory.withKey(key).map((seq) => memory.get(seq)),
      ...stored.map((task) => memory.get(task.seq) ?? task),
    ]
    return known.find((task) => task?.holdsKey(nowMs) === true && !memory.isDeleted(task.seq))
  }

  /** As the store has it, or as it is in memory. */
  ofRow(row: TaskRow): LiveTask {
    return this.#options.memory.get(row.seq) ?? this.#of(row)
  }

  /** The number of a task in memory that was given this id. */
  seqInMemory(key: TaskKey): TaskSeq | undefined {
    return this.#options.memory.seqOf(key)
  }

  inMemory(seq: TaskSeq): LiveTask | undefined {
    return this.#options.memory.get(seq)
  }

  /** The task as it is now, which may be another object; undefined: everything was dropped meanwhile, look for it again. */
  current(task: LiveTask): LiveTask | undefined {
    const { memory, queues, isOpen } = this.#options
    if (!isOpen() || memory.isDeleted(task.seq)) return undefined
    const live = memory.get(task.seq)
    if (live !== undefined) return live
    return task.queue === queues.of(task.head).queue ? task : undefined
  }

  /** It is being deleted: calls about it find nothing, and its id is not free yet. */
  isDeleted(seq: TaskSeq): boolean {
    return this.#options.memory.isDeleted(seq)
  }

  #of(row: TaskRow): LiveTask {
    return taskOfRow(row, this.#options.queues.of(row).queue)
  }
}
