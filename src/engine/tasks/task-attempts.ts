/**
 * Tasks that run: given to a worker, started there after the commit of what they derive from, until their end.
 *
 * 1. That a task runs is known in memory only: after a crash it waits again.
 * 2. What a worker says of a task counts while the task runs; else it changes nothing.
 */

import type { Backlog } from '../../core/queue/backlog.ts'
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import {
  completed,
  failed,
  lost,
  type Service,
  type TaskRecord,
  type TaskState,
  yielded,
} from '../../core/task/task-record.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Randomness } from '../../platform/randomness.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import { RESERVED_PREFIX } from '../../protocol/task-port.ts'
import type { TaskProgress, TaskWorkerHost, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import { traceFields } from '../../protocol/trace-context.ts'
import type { TaskSeq } from '../../store/contract/task-rows.ts'
import type { AttemptEnd, TaskMetrics } from '../metrics/task-metrics.ts'
import type { CrewMember, WorkerProfile } from '../workers/crew-member.ts'
import type { TaskCrew } from '../workers/task-crew.ts'
import { AttemptTimers } from './attempt-timers.ts'
import type { LiveQueue } from './live-queue.ts'
import type { LiveTask } from './live-task.ts'
import { TaskStart } from './task-start.ts'

export interface TaskAttemptsOptions {
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
  readonly crew: TaskCrew
  readonly queueOf: (task: LiveTask) => TaskQueue<LiveTask>
  readonly nextNumber: () => TaskSeq
  readonly change: (task: LiveTask, record: TaskRecord) => void
  /** It waits again, where the policy now puts it. */
  readonly again: (task: LiveTask, record: TaskRecord) => void
  /** What the backlog has changed so far is in the open batch. */
  readonly mark: (backlog: Backlog<LiveTask>) => void
  /** Looks at the queues soon. */
  readonly ask: () => void
  readonly metrics: TaskMetrics | undefined
}

export class TaskAttempts implements TaskWorkerHost<LiveTask> {
  readonly #options: TaskAttemptsOptions
  readonly #timers: AttemptTimers
  readonly #running = new Set<LiveTask>()
  readonly #members = new Map<TaskWorkerPort<LiveTask>, CrewMember<LiveTask>>()

  constructor(options: TaskAttemptsOptions) {
    this.#options = options
    this.#timers = new AttemptTimers(options.clock, (task, failure) => this.#timedOut(task, failure))
  }

  get size(): number {
    return this.#running.size
  }

  has(task: LiveTask): boolean {
    return this.#running.has(task)
  }

  all(): Iterable<LiveTask> {
    return this.#running
  }

  /** A worker gets tasks from now on. */
  join(profile: WorkerProfile, port: TaskWorkerPort<LiveTask>): CrewMember<LiveTask> {
    const own = [profile.id, ...(profile.tasks ?? [])].find((name) => name.startsWith(RESERVED_PREFIX))
    if (own !== undefined && profile.isOwn !== true)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `${own} is a name of the engine's own: no worker has it, or runs such tasks`,
      )
    const member = this.#options.crew.join(profile, port)
    this.#members.set(port, member)
    this.#options.ask()
    return member
  }

  /** A worker is gone: its tasks wait again at once. */
  leave(member: CrewMember<LiveTask>): void {
    const { crew, ask, metrics } = this.#options
    if (member.hasLeft) return
    crew.leave(member)
    this.#members.delete(member.port)
    for (const task of [...this.#running]) if (task.member === member) this.#lose(task, member)
    metrics?.workerLeft(member)
    // One that was ejected may be the last that can run what waits.
    ask()
  }

  /** A worker is silent about this task: it waits again, as if the worker were gone. */
  lose(task: LiveTask): void {
    const { member } = task
    if (member === undefined || !this.#running.has(task)) return
    this.#lose(task, member)
    this.#options.ask()
  }

  #lose(task: LiveTask, { id: worker }: CrewMember<LiveTask>): void {
    const { again, change, logger } = this.#options
    const { isStarted } = task
    const service = this.#ended(task, 'lost')
    if (service === undefined || !isStarted) {
      again(task, task.record)
      return
    }
    const record = lost(task.record, service)
    if (record.status === 'waiting') again(task, record)
    else {
      const { namespace, queue, name } = task.head
      const { owner, trace } = task.spec
      logger.error('task kills workers', {
        ...{ namespace, queue, task: name, taskId: task.id, worker },
        ...(owner && { workflowId: owner.workflowId, runId: owner.runId }),
        ...traceFields(trace),
      })
      change(task, record)
    }
  }

  /** A worker takes so many tasks at once from now on. */
  setCredits(member: CrewMember<LiveTask>, credits: number): void {
    this.#options.crew.setCredits(member, credits)
    this.#options.ask()
  }

  /** The queue has given it. True: it starts now; else with the batch that it derives from. */
  take(live: LiveQueue, task: LiveTask, nowMs: number): void {
    this.#running.add(task)
    this.#options.crew.take(live, task, nowMs)
  }

  start(task: LiveTask): void {
    task.startedMs = this.#tickMs()
    task.startedAtMs = this.#options.clock.nowMs()
    this.#timers.started(task)
    const { crew, queueOf, metrics } = this.#options
    metrics?.started(task)
    crew.start(task, new TaskStart(task, queueOf(task).policy.quantumMs))
  }

  /** Takes it from its worker; false: it did not run. */
  stop(task: LiveTask, reason: Failure): boolean {
    if (!this.#running.has(task)) return false
    this.#options.crew.giveUp(task, reason)
    this.#ended(task, 'given_up')
    return true
  }

  /** Those that still run are given up: they run again after the next start. */
  abortAll(reason: Failure): void {
    for (const task of this.#running) this.#options.crew.giveUp(task, reason)
  }

  /** Forgets all. */
  reset(reason: Failure): void {
    this.#timers.clear()
    for (const task of this.#running) {
      this.#options.crew.giveUp(task, reason)
      this.#options.crew.ended(task, 0, false)
    }
    this.#running.clear()
  }

  onTaskCompleted(task: LiveTask, result: Payload): void {
    const service = this.#ended(task, 'completed')
    if (service !== undefined) this.#options.change(task, completed(task.record, result, service))
  }

  onTaskFailed(task: LiveTask, failure: Failure): void {
    const at = this.#ended(task, 'failed')
    if (at !== undefined) this.#failed(task, failure, at)
  }

  onTaskYielded(task: LiveTask, checkpoint: Payload): void {
    const service = this.#ended(task, 'yielded')
    if (service === undefined) return
    const { again, nextNumber } = this.#options
    again(task, yielded(task.record, checkpoint, nextNumber(), service))
  }

  onTaskReturned(task: LiveTask): void {
    if (this.#ended(task, 'returned') !== undefined) this.#options.again(task, task.record)
  }

  onTaskHeartbeat(task: LiveTask, checkpoint: Payload | undefined): void {
    this.#lives(task, checkpoint === undefined ? undefined : { checkpoint })
  }

  onTaskProgress(task: LiveTask, progress: TaskProgress): void {
    this.#lives(task, { progress })
  }

  onTaskSlotFree(port: TaskWorkerPort<LiveTask>): void {
    const member = this.#members.get(port)
    if (member === undefined) return
    this.#options.crew.placeFreed(member)
    this.#options.ask()
  }

  #lives(task: LiveTask, told: Pick<TaskState, 'checkpoint' | 'progress'> | undefined): void {
    if (!this.#running.has(task)) return
    this.#timers.alive(task)
    const { status, state } = task.record
    if (told !== undefined) this.#options.change(task, { status, state: { ...state, ...told } })
  }

  #failed(task: LiveTask, failure: Failure, at: Service): void {
    const { clock, random, again, change, metrics } = this.#options
    const record = failed(task.record, task.spec, failure, { at, nowMs: clock.nowMs(), random: random() })
    if (record.status !== 'failed') metrics?.retried(task)
    if (record.status === 'waiting') again(task, record)
    else change(task, record)
  }

  /** It does not run any more; undefined: it did not. */
  #ended(task: LiveTask, end: AttemptEnd): Service | undefined {
    if (!this.#running.delete(task)) return undefined
    const { crew, queueOf, mark, ask, clock, metrics } = this.#options
    this.#timers.ended(task)
    const servedMs = task.isStarted ? Math.max(0, this.#tickMs() - task.startedMs) : 0
    const worker = task.member?.profile.isLocal === true ? undefined : task.member?.id
    metrics?.ended(task, end, task.isStarted ? servedMs : undefined)
    crew.ended(task, servedMs, end === 'failed' || end === 'timed_out' || end === 'lost')
    const queue = queueOf(task)
    queue.ended(task, servedMs)
    queue.backlog.left(task)
    mark(queue.backlog)
    ask()
    const nowMs = clock.nowMs()
    // What was shown while it ran; no end is before it.
    const startedMs = task.isStarted ? Math.min(task.startedAtMs, nowMs) : nowMs
    return worker === undefined ? { startedMs, servedMs } : { startedMs, servedMs, worker }
  }

  #timedOut(task: LiveTask, failure: Failure): void {
    if (!this.#running.has(task)) return
    this.#options.crew.giveUp(task, failure)
    const at = this.#ended(task, 'timed_out')
    if (at !== undefined) this.#failed(task, failure, at)
  }

  #tickMs(): number {
    const { clock } = this.#options
    return clock.tickMs?.() ?? clock.nowMs()
  }
}
