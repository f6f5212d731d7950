/**
 * All tasks of the engine: their queues, those in memory, and the way from a queue to a worker and back.
 *
 * 1. A task starts on a worker only after the commit of what it derives from. That it runs is known in memory only: after a
 *    crash it waits again.
 * 2. What a worker says of a task counts while the task runs here; else it changes nothing.
 * 3. A change of a task is in the open batch before anything follows from it in memory; when batches are dropped, so is all
 *    of this, and it is read again.
 * 4. A task that runs or has changes that are not committed is in memory, and is not read: the store is behind. One that
 *    was changed while the store was read stays in memory until nobody reads.
 */

import { TaskQueue } from '../../core/queue/task-queue.ts'
import {
  cancelled,
  dueMs,
  enqueued,
  reprioritised,
  retried,
  type TaskRecord,
  type TaskSpec,
} from '../../core/task/task-record.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { WorkflowKey } from '../../protocol/ids.ts'
import type { TaskSource } from '../../protocol/message.ts'
import type { TaskExplanation, TaskOwner } from '../../protocol/task-port.ts'
import { textHash } from '../../protocol/text-hash.ts'
import { traceField } from '../../protocol/trace-context.ts'
import type { TaskCommand } from '../../protocol/workflow-command.ts'
import type { LaneCount, QueueKey, TaskSeq } from '../../store/contract/task-rows.ts'
import { NO_RUN } from '../no-run.ts'
import { TaskCrew } from '../workers/task-crew.ts'
import type { LiveQueue, QueueParts } from './live-queue.ts'
import { aboutOf, classOf, LiveTask, type TaskHead } from './live-task.ts'
import { QueueSettingsDesk } from './queue-settings-desk.ts'
import { QueueTable } from './queue-table.ts'
import { TaskAttempts } from './task-attempts.ts'
import { TaskBatch } from './task-batch.ts'
import type { ReadWaiting, TaskDeskOptions } from './task-desk-options.ts'
import { TaskLookup } from './task-lookup.ts'
import { TaskMemory } from './task-memory.ts'
import { TaskMover } from './task-mover.ts'
import { TaskNumbers } from './task-numbers.ts'
import { TaskShards } from './task-shards.ts'
import { TaskTimers } from './task-timers.ts'
import { whyWaiting } from './why-waiting.ts'

export class TaskDesk {
  readonly queues: QueueTable
  readonly lookup: TaskLookup
  readonly crew: TaskCrew
  readonly attempts: TaskAttempts
  readonly settings: QueueSettingsDesk
  readonly shards: TaskShards
  readonly #options: TaskDeskOptions
  readonly #numbers = new TaskNumbers()
  /** Queues that code names. */
  readonly #named: ReadonlySet<string>
  /** See invariant 4. */
  readonly #memory: TaskMemory
  readonly #mover: TaskMover
  readonly #timers: TaskTimers
  #batch: TaskBatch<LiveTask> | undefined
  #generation = 0
  #isOpen = false
  /** Tasks that begin to wait before it is known what else waits. */
  #held: LiveTask[] | undefined = []
  #openWaiters: (() => void)[] = []

  constructor(options: TaskDeskOptions) {
    this.#options = options
    this.#named = new Set(options.designs.names)
    const { clock, random, logger, committer, store, own, onError, isDraining } = options
    const waiting: ReadWaiting = (page) => own(() => store.waiting(page))
    this.#memory = new TaskMemory(clock, (task) => task.isCommitted && !this.attempts.has(task))
    this.crew = new TaskCrew(clock)
    this.attempts = new TaskAttempts({
      clock,
      random,
      logger,
      crew: this.crew,
      queueOf: (task) => this.#queueOf(task),
      nextNumber: () => this.nextNumber(),
      change: (task, record) => this.#change(task, record),
      again: (task, record) => this.#again(task, record),
      mark: (backlog) => void this.#open().marks.set(backlog, backlog.mark),
      ask: () => this.queues.ask(),
      metrics: options.metrics?.tasks,
    })
    this.queues = new QueueTable({
      clock,
      crew: this.crew,
      waiting,
      make: (key, nowMs) => this.#make(key, nowMs),
      onError,
      mayTake: () => this.#isOpen && !isDraining() && !committer.isOverloaded,
      onTaken: (live, task, nowMs) => this.#start(live, task, nowMs),
      isTaken: (seq) => {
        const task = this.#memory.get(seq)
        return task !== undefined && this.attempts.has(task)
      },
      isNamed: (key) => this.#named.has(key.queue) || this.settings.isSet(key),
      inUse: () => this.#memory.queues(),
    })
    this.settings = this.#settingsOf(options)
    this.#mover = new TaskMover({
      clock,
      waiting,
      committer,
      memory: this.#memory,
      windowTasks: options.designs.windowTasks,
      isRunning: (task) => this.attempts.has(task),
      move: (task) => {
        this.#queueOf(task).moved()
        this.#again(task, task.record)
      },
      ask: () => this.queues.ask(),
      isDraining,
      onError,
    })
    this.#timers = this.#timersOf(options)
    this.shards = new TaskShards({
      queues: this.queues,
      settings: this.settings,
      attempts: this.attempts,
      memory: this.#memory,
      mover: this.#mover,
      ownership: options.ownership,
      restore: (lanes) => this.#restore(lanes),
      includeTimers: () => this.#timers.include(),
    })
    this.lookup = new TaskLookup({
      store,
      own,
      memory: this.#memory,
      queues: this.queues,
      generation: () => this.generation,
      isOpen: () => this.#isOpen,
      ready: () => this.ready(),
    })
  }

  #settingsOf({ store, committer, clock, designs }: TaskDeskOptions): QueueSettingsDesk {
    return new QueueSettingsDesk({
      store,
      committer,
      clock,
      designs,
      nextNumber: () => this.nextNumber(),
      queues: () => this.queues.all(),
      running: () => this.attempts.all(),
      onLeft: (live, lanes) => this.#mover.begin(live, lanes, committer.newest),
      onFollowed: () => this.queues.ask(),
    })
  }

  #timersOf({ timerLookaheadMs, metrics, ...options }: TaskDeskOptions): TaskTimers {
    return new TaskTimers({
      ...options,
      metrics: metrics?.timers,
      lookaheadMs: timerLookaheadMs,
      lookup: () => this.lookup,
      generation: () => this.#generation,
      isRunning: (task) => this.attempts.has(task),
      again: (task, record) => this.#again(task, record),
      stop: (task, reason) => this.#stop(task, reason),
      change: (task, record) => this.#change(task, record),
    })
  }

  /** Nothing runs, and nothing is on its way. */
  get isIdle(): boolean {
    return this.attempts.size === 0 && !this.queues.isBusy && !this.#mover.isBusy
  }

  /** Reads what has to go on; resolves when executions can ask for tasks. */
  async open(): Promise<void> {
    const generation = this.#generation
    const { store } = this.#options
    const [last, lanes, settings] = await Promise.all([
      store.lastTaskSeq(),
      store.lanes(),
      this.settings.read(),
    ])
    if (generation !== this.#generation) return
    this.#numbers.continueFrom(last)
    this.settings.restore(settings)
    this.#restore(lanes)
    const held = this.#held ?? []
    this.#held = undefined
    for (const task of held) {
      const queue = this.#queueOf(task)
      // It was enqueued before the settings were known.
      if (queue.isAstray(task)) this.#again(task, task.record)
      else this.#wait(queue, task)
    }
    this.#opened()
  }

  #restore(lanes: readonly LaneCount[]): void {
    const own = lanes.filter((lane) => this.#options.ownership.ownsQueue(lane))
    for (const [live, left] of this.queues.restore(own)) this.#mover.begin(live, left)
  }

  #opened(): void {
    this.#isOpen = true
    this.#timers.start()
    for (const tell of this.#openWaiters.splice(0)) tell()
    this.queues.ask()
  }

  /** Forgets everything: what is not committed was dropped. `open` reads the rest again. */
  reset(): void {
    this.#generation += 1
    this.#isOpen = false
    this.#timers.stop()
    this.attempts.reset(platformFailure('UNCOMMITTED', 'the engine started over'))
    this.#memory.clear()
    this.#batch = undefined
    this.#held = []
    this.#mover.reset()
    this.queues.reset()
    this.settings.reset()
  }

  /** Resolves when calls are taken. */
  async ready(): Promise<void> {
    while (!this.#isOpen) await new Promise<void>((resolve) => void this.#openWaiters.push(resolve))
  }

  enqueue(
    about: Omit<TaskHead, 'seq' | 'partition'>,
    spec: Omit<TaskSpec, 'enqueuedMs'>,
    seq = this.nextNumber(),
  ): LiveTask {
    const nowMs = this.#options.clock.nowMs()
    const head: TaskHead = { ...about, partition: this.partitionOf(about.queue, spec.key, seq), seq }
    const full: TaskSpec = { ...spec, enqueuedMs: nowMs }
    const record = enqueued(full, nowMs)
    const { queue } = this.queues.of(head)
    const place = queue.place(aboutOf(head, full, record.state), classOf(head, full, record.state))
    const task = new LiveTask(head, full, record, place, null)
    task.queue = queue
    this.#options.metrics?.tasks.enqueued(task)
    this.#options.committer.writesFor(task.runId).insertTask(task.row())
    this.#touch(task, head.givenId !== null || spec.owner !== undefined || task.keyText !== undefined)
    this.#memory.putId(task)
    if (record.status === 'waiting') this.#wait(queue, task)
    return task
  }

  /** All tasks of a key are in one partition of their queue; those without one go around. */
  partitionOf(queue: string, key: string | undefined, seq: TaskSeq): number {
    const partitions = this.#options.designs.partitionsOf(queue)
    if (partitions === 1) return 0
    return key === undefined ? this.#numbers.partOf(seq, partitions) : textHash(key) % partitions
  }

  useSlot(slot: number, slots: number): void {
    this.#numbers.useSlot(slot, slots)
  }

  /** The number of a new task. */
  nextNumber(): TaskSeq {
    return this.#numbers.next(this.#options.clock.nowMs())
  }

  /** The task of an execution, as one transition of it. */
  schedule(
    { namespace, workflowId }: WorkflowKey,
    { runId, client, trace }: TaskSource,
    command: TaskCommand & { readonly task: TaskSeq },
  ): void {
    const owner: TaskOwner = { workflowId, runId, op: command.op }
    const from = { ...(client === undefined ? {} : { client }), ...traceField(trace) }
    const { name, queue, input, options, task: seq } = command
    const { delayMs, ...rest } = options
    const startMs = delayMs === undefined ? {} : { startMs: this.#options.clock.nowMs() + delayMs }
    this.enqueue(
      { namespace, name, queue, givenId: null },
      { input, owner, ...from, ...rest, ...startMs },
      seq,
    )
  }

  /** Nobody wants the task any more: it is stopped, and gone. */
  withdraw(task: LiveTask): void {
    const reason = 'the execution that asked for the task does not want it any more'
    this.#stop(task, platformFailure('CANCELLED', reason))
    task.record = cancelled(task.record, reason)
    this.delete(task)
  }

  /** Runs `call` when all that is known of the task is durable, or with an error when it never will be. */
  whenDurable(task: LiveTask, call: (dropped: Error | undefined) => void): void {
    const batch = task.batch?.open
    this.#options.committer.wait({ batch }, { runId: task.runId, isStep: false, release: call })
  }

  /** All that `change` does is in one commit. */
  together<T>(change: () => T): T {
    const { committer } = this.#options
    const result = committer.together(change)
    committer.touch()
    return result
  }

  /** What was read under an earlier one is not so any more. */
  get generation(): number {
    return this.#generation + this.#options.ownership.losses
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  isRunning(task: LiveTask): boolean {
    return this.attempts.has(this.#memory.get(task.seq) ?? task)
  }

  explain(task: LiveTask): TaskExplanation {
    const live = this.queues.of(task.head)
    const isRunning = this.attempts.has(task)
    return whyWaiting(task, { live, isRunning, nowMs: this.#options.clock.nowMs() })
  }

  /** Of those that are there and here, by their ids. */
  async explainAll(seqs: readonly TaskSeq[]): Promise<ReadonlyMap<string, TaskExplanation>> {
    const found = await this.lookup.findAll(seqs)
    const own = found.filter((task) => task !== undefined && this.#options.ownership.ownsQueue(task.head))
    return new Map(own.flatMap((task) => (task === undefined ? [] : [[task.id, this.explain(task)]])))
  }

  /** The task is open. */
  cancel(task: LiveTask, reason: string): void {
    this.#stop(task, platformFailure('CANCELLED', reason))
    this.#change(task, cancelled(task.record, reason))
  }

  /** The task is closed, and not completed. */
  retry(task: LiveTask): void {
    const nowMs = this.#options.clock.nowMs()
    this.#again(task, retried(task.record, this.nextNumber(), nowMs))
  }

  /** The task is closed. */
  delete(task: LiveTask): void {
    this.#options.committer.writesFor(task.runId).deleteTask(task.seq)
    this.#timers.dropped(task.seq)
    const batch = this.#open()
    task.batch = batch
    batch.deleted.push(task.seq)
    // Its end may not be committed yet: who waits for it is told then.
    batch.tasks.push(task)
    this.#memory.deleting(task.seq)
    this.#options.committer.touch()
  }

  /** The task is delayed, and stays so, with another input and time. */
  debounce(task: LiveTask, record: TaskRecord): void {
    this.#change(task, record)
  }

  /** The task is open. */
  reprioritise(task: LiveTask, priority: number): void {
    const record = reprioritised(task.record, priority)
    if (this.attempts.has(task) || record.status !== 'waiting') this.#change(task, record)
    else {
      this.#queueOf(task).remove(task)
      this.#again(task, record)
    }
  }

  #queueOf(task: LiveTask): TaskQueue<LiveTask> {
    task.queue ??= this.queues.of(task.head).queue
    return task.queue
  }

  /** It waits again, where the policy now puts it. */
  #again(task: LiveTask, record: TaskRecord): void {
    const queue = this.#queueOf(task)
    task.record = record
    const { head, spec } = task
    task.moved(queue.place(aboutOf(head, spec, record.state), classOf(head, spec, record.state)))
    this.#change(task, record)
    this.#wait(queue, task)
  }

  #make(key: QueueKey, nowMs: number): QueueParts & Pick<LiveQueue, 'pause'> {
    const { design, policyTag, pause } = this.settings.fit(key)
    const { isPaused } = design
    const limits = design.limitsOf(key.partition)
    const { windowTasks } = this.#options.designs
    const options = { policy: design.makePolicy(), policyTag, limits, isPaused }
    const queue = new TaskQueue<LiveTask>(
      windowTasks === undefined ? options : { ...options, windowTasks },
      nowMs,
    )
    return { queue, fleet: design.makeFleet(), pause }
  }

  #wait(queue: TaskQueue<LiveTask>, task: LiveTask): void {
    if (this.#held !== undefined) {
      this.#held.push(task)
      return
    }
    const { backlog } = queue
    this.#options.metrics?.tasks.waits(task)
    backlog.add(task)
    if (queue.waiting === 1) this.queues.waits(task.head)
    this.#open().marks.set(backlog, backlog.mark)
    this.queues.ask()
  }

  #change(task: LiveTask, record: TaskRecord): void {
    task.record = record
    task.closedAt = task.isClosed ? this.#options.clock.nowMs() : null
    const { owner } = task.spec
    if (owner !== undefined && task.isClosed) {
      this.#report(task, owner)
      return
    }
    const change = task.change()
    this.#options.committer.writesFor(task.runId).changeTask(task.seq, { ...change, closedAt: task.closedAt })
    this.#touch(task)
  }

  /** The end of an execution's task is an event of the execution: the task itself is gone. */
  #report(task: LiveTask, owner: TaskOwner): void {
    const { committer, onReport } = this.#options
    committer.together(() => {
      this.delete(task)
      onReport(task, owner)
    })
    committer.touch()
  }

  /** @param isKnown whether anybody can ask for it: of a new task without an id nobody can, before it is committed */
  #touch(task: LiveTask, isKnown = true): void {
    const batch = this.#open()
    task.batch = batch
    batch.tasks.push(task)
    if (isKnown) this.#memory.put(task)
    const dueAt = dueMs(task.record, task.spec)
    if (dueAt !== null) batch.timers.push({ runId: NO_RUN, timer: task.seq, dueAt, shard: -1 })
    else this.#timers.dropped(task.seq)
    this.#options.committer.touch()
  }

  /** What tasks have in the batch that is open now. */
  #open(): TaskBatch<LiveTask> {
    const { open } = this.#options.committer
    if (this.#batch?.open === open) return this.#batch
    const generation = this.#generation
    const tasks = new TaskBatch<LiveTask>(open, (batch) => {
      if (generation === this.#generation) this.#committed(batch)
    })
    open.listener = tasks
    this.#batch = tasks
    return tasks
  }

  #committed(batch: TaskBatch<LiveTask>): void {
    for (const timer of batch.timers) this.#timers.armed(timer)
    for (const [backlog, mark] of batch.marks) backlog.committed(mark)
    for (const task of batch.tasks) {
      if (task.batch !== batch) continue
      task.batch = undefined
      if (task.isClosed) {
        this.#options.metrics?.tasks.closed(task)
        this.#options.onClosed(task)
      }
      this.#memory.committed(task)
    }
    for (const seq of batch.deleted) this.#memory.deleted(seq)
    for (const task of batch.starts) {
      if (!this.attempts.has(task) || task.isStarted) continue
      if (this.#options.ownership.isQueueOpen(task.head)) this.attempts.start(task)
    }
    this.queues.ask()
  }

  /** The queue has given it. */
  #start(live: LiveQueue, task: LiveTask, nowMs: number): void {
    this.attempts.take(live, task, nowMs)
    this.#memory.put(task)
    const { backlog } = live.queue
    this.#open().marks.set(backlog, backlog.mark)
    if (task.batch === undefined) this.attempts.start(task)
    else task.batch.starts.push(task)
  }

  /** Takes it from its worker, or from those that wait. */
  #stop(task: LiveTask, reason: Failure): void {
    if (this.attempts.stop(task, reason) || task.record.status !== 'waiting') return
    const queue = this.#queueOf(task)
    queue.remove(task)
    this.#open().marks.set(queue.backlog, queue.backlog.mark)
  }
}
