/** The calls of clients about tasks: every answer waits for the commit of what it says. */

import { debounced, keyTextOf } from '../../core/task/task-key.ts'
import { currentCall, type TrackedCall } from '../../platform/call-context.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { noTask } from '../../protocol/missing.ts'
import type { QueueExplanation } from '../../protocol/queue-explanation.ts'
import type { QueueTarget } from '../../protocol/queue-port.ts'
import { cursorOfTask, ownTaskId, seqOfCursor, seqOfOwnId } from '../../protocol/task-ids.ts'
import {
  RETRYABLE_TASK_STATUSES,
  type TaskDescription,
  type TaskExplanation,
  type TaskOutcome,
  type TaskPage,
  type TaskPort,
  type TaskQuery,
  type TaskReply,
  type TaskRequest,
  type TaskRetryPage,
  type TaskTarget,
  type WaitOptions,
} from '../../protocol/task-port.ts'
import type { TaskStatus } from '../../protocol/task-status.ts'
import { traceField } from '../../protocol/trace-context.ts'
import { shownReads } from '../../store/contract/shown-reads.ts'
import {
  type HeldKey,
  isTaskListed,
  type TaskKey,
  type TaskRow,
  type TaskSeq,
  taskFactsOf,
} from '../../store/contract/task-rows.ts'
import type { Engine } from '../engine.ts'
import { NO_RUN } from '../no-run.ts'
import { assertAwaited } from '../waiters.ts'
import { checkIndexedBytes } from './indexed-bytes.ts'
import type { LiveTask } from './live-task.ts'
import { taskDescriptionOf, taskOutcomeOf } from './task-description.ts'
import type { MetTasks } from './task-lookup.ts'
import { lowestNumberFrom } from './task-numbers.ts'
import { tasksOfPage } from './task-page.ts'
import { whyQueueWaits } from './why-queue-waits.ts'

/** Tasks of one call that are recorded in one turn; between turns other work runs, and intake may have to wait. */
const CHUNK_TASKS = 1000
const ATTEMPTS = 5
/** Tasks that are retried in one commit. */
const RETRY_LIMIT = 500

export class TaskCalls implements TaskPort {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async enqueue(requests: readonly TaskRequest[]): Promise<readonly TaskReply[]> {
    this.#engine.assertIntake()
    for (const request of requests) checkIndexedBytes(request)
    const replies: Promise<readonly TaskReply[]>[] = []
    for (let start = 0; start < requests.length; start += CHUNK_TASKS) {
      const chunk = requests.slice(start, start + CHUNK_TASKS)
      const { added, durable } = await this.#add(chunk)
      const reply = durable.then(
        () => added,
        (error) => this.#again(chunk, error),
      )
      // Whoever waits for all of them learns of it.
      reply.catch(() => {})
      replies.push(reply)
      if (this.#engine.committer.isOverloaded) await reply
      // The store writes the last chunk while the next one is made.
      else if (start + CHUNK_TASKS < requests.length)
        await new Promise<void>((resolve) => this.#engine.clock.defer(resolve))
    }
    return (await Promise.all(replies)).flat()
  }

  async outcome(target: TaskTarget, { signal }: WaitOptions = {}): Promise<TaskOutcome> {
    for (;;) {
      assertAwaited(signal)
      const found = await this.#with(target, (task) =>
        task.isClosed
          ? { outcome: taskOutcomeOf(task.record), durable: this.#isDurable(task) }
          : this.#engine.taskEnds.next(task.seq, signal),
      )
      // What is dropped before it is durable is not so.
      const outcome = 'told' in found ? await found.told : (await found.durable) ? found.outcome : undefined
      if ('told' in found) found.forget()
      if (outcome !== undefined) return outcome
    }
  }

  async describe(target: TaskTarget): Promise<TaskDescription> {
    const { description, durable } = await this.#with(target, (task) => ({
      description: taskDescriptionOf(task, this.#engine.tasks.isRunning(task)),
      durable: this.#durable(task),
    }))
    await durable
    return description
  }

  async explain(target: TaskTarget): Promise<TaskExplanation> {
    const { explanation, durable } = await this.#with(target, (task) => ({
      explanation: this.#engine.tasks.explain(task),
      durable: this.#durable(task),
    }))
    await durable
    return explanation
  }

  async list({ cursor, limit, ...query }: TaskQuery): Promise<TaskPage> {
    this.#engine.assertOpen()
    const before = cursor === undefined ? undefined : placeOf(cursor)
    const most = tasksOfPage(limit)
    const { tasks } = this.#engine
    const { listed, next } = await this.#listed(query, before, most)
    const page = listed
      .filter(({ seq }) => !tasks.lookup.isDeleted(seq))
      .map((task) => taskDescriptionOf(task, tasks.isRunning(task)))
    return next === undefined ? { tasks: page } : { tasks: page, cursor: cursorOfTask(next) }
  }

  /** Newest first. That a task runs is known in memory only: in the store it waits. */
  async #listed(
    { status, ...query }: Omit<TaskQuery, 'cursor' | 'limit'>,
    before: TaskSeq | undefined,
    most: number,
  ): Promise<{ readonly listed: readonly LiveTask[]; readonly next: TaskSeq | undefined }> {
    const { tasks, options } = this.#engine
    const stored = status?.filter((each) => each !== 'running')
    // Of those that wait in the store some run, and are left out.
    const limit = status === undefined ? most : most + tasks.attempts.size
    const at = before === undefined ? {} : { before }
    const of = stored === undefined ? {} : { status: stored }
    const rows =
      stored?.length === 0
        ? []
        : await shownReads(options.store).listTasks({ ...query, ...fromNumber(query), ...at, ...of, limit })
    let found = rows.map((row) => tasks.lookup.ofRow(row))
    if (status !== undefined) found = found.filter((task) => !tasks.isRunning(task))
    if (status?.includes('running') === true)
      for (const task of tasks.attempts.all()) {
        const isAhead = before !== undefined && task.seq >= before
        const row = { ...task.head, id: task.head.givenId, status: 'running', closedAt: null } as const
        if (!isAhead && isTaskListed(row, query, () => taskFactsOf(task.spec, task.record.state)))
          found.push(task)
      }
    const listed = found.sort((a, b) => b.seq - a.seq).slice(0, most)
    // More may have begun to run while the store was read: a page that is short for that is not the last.
    const last = listed.length === most ? listed.at(-1) : rows.length === limit ? rows.at(-1) : undefined
    return { listed, next: last?.seq }
  }

  async cancel(target: TaskTarget, reason: string): Promise<void> {
    await this.#change(target, (task) => {
      if (task.isClosed) throw new PerdureError('TASK_CLOSED', `task ${target.id} is ${task.record.status}`)
      this.#engine.tasks.cancel(task, reason)
    })
  }

  async retry(target: TaskTarget): Promise<void> {
    await this.#change(target, (task) => {
      const { status } = task.record
      if (!task.isClosed) throw new PerdureError('TASK_OPEN', `task ${target.id} is ${status}`)
      if (status === 'completed') throw new PerdureError('TASK_CLOSED', `task ${target.id} is completed`)
      this.#engine.tasks.retry(task)
    })
  }

  async retryMany({ cursor, limit = RETRY_LIMIT, ...query }: TaskQuery): Promise<TaskRetryPage> {
    this.#engine.assertIntake()
    const { tasks } = this.#engine
    const status = retryableOf(query.status)
    const most = Math.min(limit, RETRY_LIMIT)
    const place = cursor === undefined ? {} : { cursor }
    const rows = await tasksToRetry(this.#engine, { ...query, ...place, limit }, true)
    // Looked for again: what the list gave may have changed since.
    const found = await tasks.lookup.findAll(rows.map(({ seq }) => seq))
    this.#engine.assertOpen()
    const call = this.#call()
    const { retried, durable } = tasks.together(() => {
      const retried = found.flatMap((each) => {
        const task = each === undefined ? undefined : tasks.lookup.current(each)
        if (task === undefined || !status.includes(task.record.status)) return []
        if (!this.#engine.ownership.isQueueOpen(task.head)) return []
        tasks.retry(task)
        return [task]
      })
      const last = retried.at(-1)
      // Nobody's: a task of an execution is gone when it is closed.
      if (last !== undefined) this.#engine.audit?.changed(call, NO_RUN, { count: retried.length })
      return { retried: retried.length, durable: last === undefined ? undefined : this.#durable(last) }
    })
    await durable
    const last = rows.length < most ? undefined : rows.at(-1)
    return last === undefined ? { retried } : { retried, cursor: cursorOfTask(last.seq) }
  }

  async reprioritise(target: TaskTarget, priority: number): Promise<void> {
    await this.#change(target, (task) => {
      if (task.isClosed) throw new PerdureError('TASK_CLOSED', `task ${target.id} is ${task.record.status}`)
      this.#engine.tasks.reprioritise(task, priority)
    })
  }

  async explainQueue(target: QueueTarget): Promise<QueueExplanation> {
    this.#engine.assertOpen()
    const { tasks, clock } = this.#engine
    await tasks.ready()
    const { namespace, queue: name } = target
    const stored = tasks.settings.of(target)
    const { limits } = tasks.settings.design(target, stored.setting.overrides)
    const parts = tasks.queues
      .all()
      .filter(({ key }) => key.namespace === namespace && key.queue === name)
      .toSorted((a, b) => b.queue.waiting - a.queue.waiting)
    // Of several partitions the one in which the most wait says why.
    const explanation = whyQueueWaits(parts[0], { name, limits, nowMs: clock.nowMs() })
    const waiting = parts.reduce((sum, { queue }) => sum + queue.waiting, 0)
    const running = parts.reduce((sum, { queue }) => sum + queue.limits.running, 0)
    await tasks.settings.durable(stored)
    return { ...explanation, waiting, running }
  }

  /** What was not recorded is recorded again, as a whole. */
  async #again(chunk: readonly TaskRequest[], failure: unknown): Promise<readonly TaskReply[]> {
    let error = failure
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      if (!(error instanceof PerdureError) || error.code !== 'UNCOMMITTED') throw error
      const { added, durable } = await this.#add(chunk)
      try {
        await durable
        return added
      } catch (again) {
        error = again
      }
    }
    throw error
  }

  async #add(
    requests: readonly TaskRequest[],
  ): Promise<{ readonly added: readonly TaskReply[]; readonly durable: Promise<void> }> {
    const { tasks } = this.#engine
    await tasks.ready()
    const { generation } = tasks
    const met = await this.#met(requests)
    this.#engine.assertOpen()
    if (!tasks.isOpen || generation !== tasks.generation) return this.#add(requests)
    this.#assertQueues(requests)
    tasks.lookup.assertNames(requests, met)
    const touched = new Set<LiveTask>()
    const call = this.#call()
    let changes = 0
    const added = tasks.together(() => {
      const replies = requests.map((request, i) => {
        const { namespace, id } = request
        // An earlier one of these may have it.
        const seq =
          id === undefined ? met.again[i] : (tasks.lookup.seqInMemory({ namespace, id }) ?? met.seqs[i])
        const holder = seq === undefined ? this.#holder(request, met.holders[i]) : undefined
        const known = seq === undefined ? holder : tasks.lookup.inMemory(seq)
        const isNew = seq === undefined && holder === undefined
        if (isNew || (holder !== undefined && request.debounce !== undefined)) changes += 1
        const task = isNew ? this.#addOne(request) : known
        if (task !== undefined && !task.isCommitted) touched.add(task)
        return {
          id: task?.id ?? id ?? ownTaskId(seq ?? 0),
          enqueued:
            isNew ||
            (seq !== undefined && seq === request.seq) ||
            tasks.lookup.repeatAt(request, met, i) === 'same',
        }
      })
      if (changes > 0) this.#engine.audit?.changed(call, NO_RUN, { count: changes })
      return replies
    })
    const last = new Set([...touched].map(({ batch }) => batch))
    const waits = [...touched].filter(({ batch }) => last.delete(batch)).map((task) => this.#durable(task))
    return { added, durable: Promise.all(waits).then(() => {}) }
  }

  /** In a cluster: throws `SHARD_MOVED` unless all of their queues are here. */
  #assertQueues(requests: readonly TaskRequest[]): void {
    const { ownership, tasks } = this.#engine
    if (ownership.isWhole) return
    for (const { namespace, queue, key, seq = 0 } of requests)
      ownership.assertQueue({ namespace, queue, partition: tasks.partitionOf(queue, key, seq) })
  }

  /** The task that holds the key of the request now; a debounced one takes its input. */
  #holder(request: TaskRequest, stored: readonly LiveTask[] = []): LiveTask | undefined {
    const { namespace, name, debounce, input } = request
    const dedupe = keyTextOf(name, request)
    if (dedupe === undefined) return undefined
    const { tasks, clock } = this.#engine
    const nowMs = clock.nowMs()
    const holder = tasks.lookup.holder({ namespace, dedupe }, stored, nowMs)
    if (holder !== undefined && debounce !== undefined)
      tasks.debounce(holder, debounced(holder.record, holder.spec, input, { nowMs, ...debounce }))
    return holder
  }

  #addOne(request: TaskRequest): LiveTask {
    const { namespace, name, queue, id, key, priority, estimateMs, retry, timeouts, input } = request
    const { dedupe, debounce, requires, affinity, client, mark, trace } = request
    const { tasks, clock, options } = this.#engine
    const delayMs =
      debounce === undefined
        ? request.delayMs
        : Math.min(debounce.waitMs, debounce.maxWaitMs ?? debounce.waitMs)
    return tasks.enqueue(
      { namespace, name, queue, givenId: id ?? null },
      {
        input,
        ...(key === undefined ? {} : { key }),
        ...(priority === undefined ? {} : { priority }),
        ...(estimateMs === undefined ? {} : { estimateMs }),
        ...(requires === undefined ? {} : { requires }),
        ...(affinity === undefined ? {} : { affinity }),
        ...(client === undefined ? {} : { client }),
        ...(mark === undefined ? {} : { mark }),
        ...(options.tracing === undefined ? {} : traceField(trace)),
        ...(delayMs === undefined ? {} : { startMs: clock.nowMs() + delayMs }),
        ...(retry === undefined ? {} : { retry }),
        ...(timeouts === undefined ? {} : { timeouts }),
        ...(dedupe === undefined ? {} : { dedupe }),
        ...(debounce === undefined ? {} : { debounce: { key: debounce.key } }),
      },
      request.seq,
    )
  }

  async delete(target: TaskTarget): Promise<void> {
    await this.#change(target, (task) => {
      if (!task.isClosed) throw new PerdureError('TASK_OPEN', `task ${target.id} is ${task.record.status}`)
      this.#engine.tasks.delete(task)
    })
  }

  /** For retention: those that were closed before, and are so still. */
  async deleteClosed(seqs: readonly TaskSeq[], closedBefore: number): Promise<void> {
    const { tasks } = this.#engine
    await tasks.ready()
    // Looked for again: one of them may have been retried since it was listed.
    const found = await tasks.lookup.findAll(seqs)
    this.#engine.assertOpen()
    await tasks.together(() => {
      const deleted = found.flatMap((each) => {
        const task = each === undefined ? undefined : tasks.lookup.current(each)
        if (task === undefined || !task.isCommitted) return []
        if (task.closedAt === null || task.closedAt >= closedBefore) return []
        if (!this.#engine.ownership.isQueueOpen(task.head)) return []
        tasks.delete(task)
        return [task]
      })
      const [last] = deleted.slice(-1)
      return last === undefined ? Promise.resolve() : this.#durable(last)
    })
  }

  /** The tasks whose ids are taken, and that hold keys; whoever calls this looks at them in the same turn. */
  async #met(requests: readonly TaskRequest[]): Promise<MetTasks> {
    const { lookup } = this.#engine.tasks
    const named: TaskKey[] = []
    const keyed: HeldKey[] = []
    for (const request of requests) {
      const { namespace, name, id } = request
      if (id !== undefined) named.push({ namespace, id })
      const dedupe = keyTextOf(name, request)
      if (dedupe !== undefined) keyed.push({ namespace, dedupe })
    }
    const numbers = requests.flatMap(({ seq }) => seq ?? [])
    const known = numbers.length === 0 ? [] : await lookup.findAll(numbers)
    const numbered = new Set(known.flatMap((task) => task?.seq ?? []))
    const again = requests.map(({ seq }) => (seq !== undefined && numbered.has(seq) ? seq : undefined))
    if (named.length === 0 && keyed.length === 0)
      return { seqs: [], names: [], specs: [], holders: [], again }
    const { seqs, names, specs, holders } = await lookup.met(named, keyed)
    if (seqs.some((seq) => seq !== undefined && lookup.isDeleted(seq))) {
      // Its id is free when the deletion is durable.
      await new Promise<void>((resolve) => this.#engine.clock.defer(resolve))
      this.#engine.assertOpen()
      return this.#met(requests)
    }
    const ids = seqs.values()
    const namesOfIds = names.values()
    const specsOfIds = specs.values()
    const held = holders.values()
    return {
      again,
      seqs: requests.map(({ id }) => (id === undefined ? undefined : ids.next().value)),
      names: requests.map(({ id }) => (id === undefined ? undefined : namesOfIds.next().value)),
      specs: requests.map(({ id }) => (id === undefined ? undefined : specsOfIds.next().value)),
      holders: requests.map((request) =>
        keyTextOf(request.name, request) === undefined ? [] : (held.next().value ?? []),
      ),
    }
  }

  /** Calls `use` with the task as it is in that very turn. */
  async #with<T>({ namespace, id }: TaskTarget, use: (task: LiveTask) => T): Promise<T> {
    const { tasks } = this.#engine
    for (;;) {
      this.#engine.assertOpen()
      await tasks.ready()
      const own = seqOfOwnId(id)
      const seq = own ?? (await tasks.lookup.seqsOf([{ namespace, id }]))[0]
      const found = seq === undefined ? undefined : await tasks.lookup.find(seq)
      this.#engine.assertOpen()
      if (found === undefined || found.head.namespace !== namespace || tasks.lookup.isDeleted(found.seq))
        throw noTask({ namespace, id })
      this.#engine.ownership.assertQueue(found.head)
      const task = tasks.lookup.current(found)
      if (task !== undefined) return use(task)
    }
  }

  async #change(target: TaskTarget, change: (task: LiveTask) => void): Promise<void> {
    const call = this.#call()
    // Not awaited within: what waits for the commit must be asked for in the turn of the change.
    const { durable } = await this.#with(target, (task) =>
      this.#engine.tasks.together(() => {
        change(task)
        this.#engine.audit?.changed(call, task.runId)
        return { durable: this.#durable(task) }
      }),
    )
    await durable
  }

  /** That this belongs to, if calls are recorded. */
  #call(): TrackedCall | undefined {
    return this.#engine.audit === undefined ? undefined : currentCall()
  }

  async #isDurable(task: LiveTask): Promise<boolean> {
    if (task.isCommitted) return true
    try {
      await this.#durable(task)
      return true
    } catch (error) {
      if (error instanceof PerdureError && error.code === 'UNCOMMITTED') return false
      throw error
    }
  }

  #durable(task: LiveTask): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#engine.tasks.whenDurable(task, (dropped) => (dropped === undefined ? resolve() : reject(dropped)))
    })
  }
}

/**
 * A page of what `retryMany` is to retry. It is decided by it, so it is read from the primary.
 *
 * @param oldestFirst else newest first
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function tasksToRetry(
  { options }: Pick<Engine, 'options'>,
  { cursor, limit = RETRY_LIMIT, ...query }: TaskQuery,
  oldestFirst: boolean,
): Promise<readonly TaskRow[]> {
  return options.store.listTasks({
    ...query,
    ...fromNumber(query),
    // Where the oldest come first `before` means after.
    ...(cursor === undefined ? {} : { before: placeOf(cursor) }),
    status: retryableOf(query.status),
    ...(oldestFirst ? { oldestFirst } : {}),
    limit: Math.min(limit, RETRY_LIMIT),
  })
}

function retryableOf(status: TaskQuery['status'] = ['failed']): readonly TaskStatus[] {
  const retryable: readonly string[] = RETRYABLE_TASK_STATUSES
  const other = status.find((each) => !retryable.includes(each))
  if (other !== undefined)
    throw new PerdureError('ARGUMENT_INVALID', `tasks that are ${other} cannot be retried`)
  return status
}

function fromNumber({ enqueuedFrom }: Pick<TaskQuery, 'enqueuedFrom'>): { readonly seqFrom?: TaskSeq } {
  return enqueuedFrom === undefined ? {} : { seqFrom: lowestNumberFrom(enqueuedFrom) }
}

function placeOf(cursor: string): TaskSeq {
  const seq = seqOfCursor(cursor)
  if (seq === undefined)
    throw new PerdureError('ARGUMENT_INVALID', 'the cursor is not one that a list of tasks returned')
  return seq
}
