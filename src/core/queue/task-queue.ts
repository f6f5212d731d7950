/**
 * A partition of a queue: its backlog, its limits, and whether it is paused. It says which task starts next; which worker
 * runs it is the load balancer's decision, taken beside it.
 *
 * 1. A task is taken only while the queue and its key have a slot and a token.
 * 2. Each task that was taken is given back by `ended`, once: with it the slot is free and the service is settled.
 */
import { Backlog, type BacklogOptions, type PageRequest, READING } from './backlog.ts'
import { type LaneName, laneName, type WaitingTask } from './lane.ts'
import type { PolicyTask, SchedulingPolicy } from './policy.ts'
import { LimitKeeper, type QueueLimits } from './queue-limits.ts'

export interface QueuedTask extends WaitingTask {
  /** What the policy was told; `served` is told of it again. */
  readonly about: PolicyTask
}

/** Where a task waits, as it is stored with it. */
export interface TaskPlace {
  readonly lane: LaneName
  readonly rank: number
  readonly chargeMs: number
}

export interface TaskQueueOptions extends BacklogOptions {
  readonly limits?: QueueLimits
  readonly isPaused?: boolean
  /** Stands for the settings that places follow from; stored with each task. Default: the name of the policy. */
  readonly policyTag?: string
}

/** Why nothing is taken; `task`: something is. */
export type Taken<Task> =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'paused' | 'full' | 'reading' }
  /** Nothing waits that could be served. `wakeMs`: time alone changes that, ms; infinite: it does not. */
  | { readonly kind: 'nothing' | 'rate'; readonly wakeMs: number }

const LANE_NAMES_MAX = 10_000

export class TaskQueue<Task extends QueuedTask> {
  readonly policy: SchedulingPolicy
  readonly backlog: Backlog<Task>
  readonly limits: LimitKeeper
  readonly policyTag: string
  isPaused: boolean
  /** So that tasks of a lane share the name. */
  readonly #laneNames = new Map<string, LaneName>()
  /** Tasks that come together often share a lane. */
  #lastLane: LaneName | undefined

  constructor({ limits = {}, isPaused = false, policyTag, ...options }: TaskQueueOptions, nowMs: number) {
    this.policy = options.policy
    this.backlog = new Backlog(options)
    this.limits = new LimitKeeper(limits, nowMs)
    this.isPaused = isPaused
    this.policyTag = policyTag ?? options.policy.name
  }

  /** Where the policy puts a task that begins to wait. */
  place(about: PolicyTask, classId: string): TaskPlace {
    const { flow, rank, chargeMs } = this.policy.place(about)
    if (!Number.isFinite(rank))
      throw new RangeError(
        `policy ${this.policy.name} gave task ${about.name} the rank ${rank}, not a finite number`,
      )
    return { lane: this.#laneName(flow, this.limits.keyOf(about.key), classId), rank, chargeMs }
  }

  take(nowMs: number, isServable: (classId: string) => boolean): Taken<Task> {
    if (this.isPaused) return { kind: 'paused' }
    const start = this.limits.mayStart(nowMs)
    if (start === false) return { kind: 'full' }
    if (start !== true) return { kind: 'rate', wakeMs: start }
    for (const key of this.limits.rested(nowMs)) this.backlog.letGo(key)
    const task = this.backlog.take(isServable)
    if (task === READING) return { kind: 'reading' }
    if (task === undefined) return { kind: 'nothing', wakeMs: this.limits.keyWakeMs }
    const { limitKey } = task.lane
    if (this.limits.started(limitKey, nowMs) !== undefined) this.backlog.holdUp(limitKey)
    return { kind: 'task', task }
  }

  /** A task that was running before the queue was opened. */
  resume({ lane: { limitKey } }: Task): void {
    if (this.limits.resumed(limitKey) !== undefined) this.backlog.holdUp(limitKey)
  }

  /** An attempt ended or yielded after this much service; its lane is that which it was taken from. */
  ended(task: Task, servedMs: number): void {
    if (this.limits.ended(task.lane.limitKey)) this.backlog.letGo(task.lane.limitKey)
    this.backlog.settle(task, servedMs)
    this.policy.served?.(task.about, servedMs)
  }

  readPage(): PageRequest<Task> | undefined {
    return this.backlog.readPage()
  }

  #laneName(flow: string, limitKey: string, classId: string): LaneName {
    const last = this.#lastLane
    if (last?.flow === flow && last.limitKey === limitKey && last.classId === classId) return last
    this.#lastLane = this.#lookUpLane(flow, limitKey, classId)
    return this.#lastLane
  }

  #lookUpLane(flow: string, limitKey: string, classId: string): LaneName {
    const fresh = laneName({ policy: this.policyTag, flow, limitKey, classId })
    const known = this.#laneNames.get(fresh.text)
    if (known !== undefined) return known
    if (this.#laneNames.size >= LANE_NAMES_MAX) this.#laneNames.clear()
    this.#laneNames.set(fresh.text, fresh)
    return fresh
  }
}
