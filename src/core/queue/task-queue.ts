/**
 * A partition of a queue: its backlog, its limits, and whether it is paused. It says which task starts next; which worker
 * runs it is the load balancer's decision, taken beside it.
 *
 * All of its settings can change while tasks wait and run. Where tasks wait follows from some of them, which `policyTag`
 * stands for: with another tag it begins with an empty backlog, and the tasks that wait are *astray* until they are moved,
 * one by one, by `moved` and an `add`.
 *
 * 1. A task is taken only while the queue and its key have a slot and a token.
 * 2. Each task that was taken is given back by `ended`, once: with it the slot is free and the service is settled.
 * 3. A task that is astray is not taken. Of those that there were at a change, the first 10,000 are moved before anything
 *    is taken: so the order of a backlog of that length is that of the new settings from the first task on.
 * 4. A change touches no task that runs. Its end frees the slot that it has under the limits of then.
 */
import type { QueueLimits } from '../../protocol/queue-settings.ts'
import { Backlog, type BacklogOptions, type PageRequest, READING } from './backlog.ts'
import { type LaneName, laneName, type WaitingTask } from './lane.ts'
import type { PolicyTask, SchedulingPolicy } from './policy.ts'
import { LimitKeeper, limitKeyOf } from './queue-limits.ts'

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
  | { readonly kind: 'paused' | 'full' | 'reading' | 'moving' }
  /** Nothing waits that could be served. `wakeMs`: time alone changes that, ms; infinite: it does not. */
  | { readonly kind: 'nothing' | 'rate'; readonly wakeMs: number }

/** What can change while tasks wait and run. */
export interface TaskQueueChange {
  readonly limits: QueueLimits
  readonly isPaused: boolean
  /** With other places than before: what waits is to be moved. */
  readonly places?: { readonly policy: SchedulingPolicy; readonly policyTag: string }
}

const LANE_NAMES_MAX = 10_000
/** See invariant 3; or as many as are in memory, if those are fewer. */
const MOVED_FIRST = 10_000

export class TaskQueue<Task extends QueuedTask> {
  policy: SchedulingPolicy
  backlog: Backlog<Task>
  limits: LimitKeeper
  policyTag: string
  isPaused: boolean
  readonly #windowTasks: number | undefined
  /** So that tasks of a lane share the name. */
  readonly #laneNames = new Map<string, LaneName>()
  /** Tasks that come together often share a lane. */
  #lastLane: LaneName | undefined
  #astray = 0
  #movedFirst = 0
  /** Tasks that ran at the last change, and the keys of limits under which they are counted. */
  readonly #earlier = new Map<Task, string>()

  constructor({ limits = {}, isPaused = false, policyTag, ...options }: TaskQueueOptions, nowMs: number) {
    this.policy = options.policy
    this.backlog = new Backlog(options)
    this.limits = new LimitKeeper(limits, nowMs)
    this.isPaused = isPaused
    this.policyTag = policyTag ?? options.policy.name
    this.#windowTasks = options.windowTasks
  }

  /** All that wait, moved or not. */
  get waiting(): number {
    return this.backlog.size + this.#astray
  }

  /** Tasks that wait where earlier settings have put them. */
  get astray(): number {
    return this.#astray
  }

  /** Nothing of it starts, whatever has been moved. */
  get isHeld(): boolean {
    return this.isPaused || this.#movedFirst > 0
  }

  isAstray({ lane }: Pick<Task, 'lane'>): boolean {
    return lane.policy !== this.policyTag
  }

  /** @param running tasks that were taken and have not ended */
  change({ limits, isPaused, places }: TaskQueueChange, running: Iterable<Task>, nowMs: number): void {
    this.isPaused = isPaused
    if (places !== undefined) {
      const { size } = this.backlog
      const { policy, policyTag } = places
      const window = this.#windowTasks
      this.policy = policy
      this.policyTag = policyTag
      this.backlog = new Backlog(window === undefined ? { policy } : { policy, windowTasks: window })
      this.#laneNames.clear()
      this.#lastLane = undefined
      this.stray(size)
    }
    const before = [...this.limits.held()]
    const keys = new Map<Task, string>()
    for (const task of running) keys.set(task, limitKeyOf(limits, task.about.key))
    this.limits = this.limits.changed(limits, keys.values(), nowMs)
    if (places !== undefined) {
      this.#earlier.clear()
      for (const [task, key] of keys) this.#earlier.set(task, key)
    }
    const held = new Set(this.limits.held())
    for (const key of before) if (!held.has(key)) this.backlog.letGo(key)
    for (const key of held) this.backlog.holdUp(key)
  }

  /** So many more tasks wait where earlier settings have put them. */
  stray(count: number): void {
    this.#astray += count
    this.#movedFirst = Math.min(this.#astray, MOVED_FIRST, this.#windowTasks ?? MOVED_FIRST)
  }

  /** A task is astray no more: it is about to be added, or waits no more. */
  moved(): void {
    if (this.#astray === 0) throw new Error('invariant: a task was moved, and none was astray')
    this.#astray -= 1
    this.#movedFirst = Math.min(Math.max(0, this.#movedFirst - 1), this.#astray)
  }

  /** A task that waits, wherever it is, does so no more. */
  remove(task: Task): void {
    if (this.isAstray(task)) this.moved()
    else this.backlog.remove(task)
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
    if (this.#movedFirst > 0) return { kind: 'moving' }
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
    const earlier = this.#earlier.size === 0 ? undefined : this.#earlier.get(task)
    const limitKey = earlier ?? task.lane.limitKey
    if (this.limits.ended(limitKey)) this.backlog.letGo(limitKey)
    // A flow of this policy was not charged for a task that was taken under another.
    if (earlier === undefined) this.backlog.settle(task, servedMs)
    else this.#earlier.delete(task)
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
