/** A worker of tasks as the engine sees it: what it can do, and how much of it is in use. */
import type { WorkerLoad } from '../../core/balance/load-balancer.ts'
import type { TaskRequirements } from '../../protocol/task-port.ts'
import type { TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { QueueKey } from '../../store/contract/task-rows.ts'
import type { WorkerSeries } from '../metrics/task-metrics.ts'
import type { TaskClass } from './task-class.ts'

export interface WorkerProfile {
  /** Unique among the workers of its namespace. */
  readonly id: string
  /** What the worker calls itself on all of its connections, if it has an id of the engine. */
  readonly instance?: string
  /** Tasks that it takes at once. */
  readonly credits: number
  /** Of its code; for people. */
  readonly build?: string
  /** Where it connected from; for people. */
  readonly address?: string
  /** It runs in the process of the engine. */
  readonly isLocal?: boolean
  /** It runs tasks of the engine's own, and is not shown. */
  readonly isOwn?: boolean
  /** Names of the tasks that it has code for; for people. */
  readonly tasks?: readonly string[]
  /** Absent: all. */
  readonly namespace?: string
  /** Absent: all. */
  readonly queues?: readonly string[]
  readonly zone?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Its share, relative to others. Default 1. */
  readonly weight?: number
  /** What tasks that require CPU or memory may use of it. Without it it gets no such task. */
  readonly capacity?: Omit<TaskRequirements, 'labels'>
}

export class CrewMember<Task> {
  readonly profile: WorkerProfile
  readonly port: TaskWorkerPort<Task>
  credits: number
  /** Tasks that were given to it, from when they were taken from their queue. */
  taken = 0
  /** Functions that were given up, and that go on. */
  givenUp = 0
  /** No place was free when it was last looked at. */
  isFull = false
  hasLeft = false
  /** Where what is observed of its tasks goes; looked up once. */
  series: WorkerSeries | undefined
  /** As it reported it last. */
  load: WorkerLoad | undefined
  /** Numbers of the changes of the crew (see `TaskCrew`) in which its places, and its load, have changed last. */
  placesChange = 0
  loadChange = 0
  /** Tasks that require a part of it. */
  #sharers = 0
  #cpu = 0
  #memoryMb = 0
  #lastChances = 0

  constructor(profile: WorkerProfile, port: TaskWorkerPort<Task>) {
    this.profile = profile
    this.port = port
    this.credits = profile.credits
  }

  get id(): string {
    return this.profile.id
  }

  get free(): number {
    return this.credits - this.taken - this.givenUp
  }

  serves({ namespace, queue }: QueueKey): boolean {
    const { profile } = this
    return (
      (profile.namespace === undefined || profile.namespace === namespace) &&
      (profile.queues === undefined || profile.queues.includes(queue))
    )
  }

  /** Whether it could ever run such a task. */
  supports({ name, requires }: TaskClass): boolean {
    if (!this.port.supports(name)) return false
    if (requires === undefined) return true
    const { labels = {}, capacity = {} } = this.profile
    for (const [label, value] of Object.entries(requires.labels ?? {}))
      if (labels[label] !== value) return false
    return (requires.cpu ?? 0) <= (capacity.cpu ?? 0) && (requires.memoryMb ?? 0) <= (capacity.memoryMb ?? 0)
  }

  /** Whether it can run such a task now, if it has a place. */
  accepts(kind: TaskClass): boolean {
    if (!this.supports(kind) || (kind.isLastChance && this.#lastChances > 0)) return false
    const { requires } = kind
    if (requires === undefined) return true
    const { capacity = {} } = this.profile
    return (
      hasRest(capacity.cpu, this.#cpu, requires.cpu) &&
      hasRest(capacity.memoryMb, this.#memoryMb, requires.memoryMb)
    )
  }

  /** A task of this class takes part of it, or gives it back. */
  use({ requires, isLastChance }: TaskClass, sign: 1 | -1): void {
    if (isLastChance) this.#lastChances += sign
    if (requires === undefined) return
    this.#sharers += sign
    this.#cpu += sign * (requires.cpu ?? 0)
    this.#memoryMb += sign * (requires.memoryMb ?? 0)
    // Sums of fractions are not exact: what is left of them when nothing runs is no use.
    if (this.#sharers === 0) {
      this.#cpu = 0
      this.#memoryMb = 0
    }
  }
}

/** Of what a worker has. Errors of sums are far below, what anybody means is far above. */
const ROUNDING = 1e-9

function hasRest(capacity = 0, used: number, required = 0): boolean {
  return used + required <= capacity * (1 + ROUNDING)
}
