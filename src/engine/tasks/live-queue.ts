/** A partition of a queue in memory, and the work that is asked for it: pages to read, a time to wake. */
import type { LoadBalancer } from '../../core/balance/load-balancer.ts'
import type { WorkerFleet } from '../../core/balance/worker-fleet.ts'
import type { SchedulingPolicy } from '../../core/queue/policy.ts'
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Cancel } from '../../platform/clock.ts'
import type { QueuePause } from '../../protocol/queue-explanation.ts'
import type { QueueDeclaration } from '../../protocol/queue-port.ts'
import type { QueueLimits, QueueOverrides } from '../../protocol/queue-settings.ts'
import type { QueueKey } from '../../store/contract/task-rows.ts'
import { QueueCrew } from '../workers/queue-crew.ts'
import type { LiveTask } from './live-task.ts'

/** What the settings of a queue come to: those that were changed at run time over those of code over the defaults. */
export interface QueueDesign {
  readonly limits: QueueLimits
  /** What a partition has of them. */
  limitsOf(partition: number): QueueLimits
  readonly isPaused: boolean
  /** Stands for what the places of tasks follow from: with the same text they are the same. */
  readonly placesText: string
  /** The same, as it is stored with each task that waits. */
  readonly policyTag: string
  readonly balancerText: string
  /** As people are shown them. */
  readonly declared: QueueDeclaration
  readonly inForce: QueueDeclaration
  makePolicy(): SchedulingPolicy
  makeBalancer(): LoadBalancer
  makeFleet(): WorkerFleet
}

export interface QueueDesigns {
  /** The queues that code names. */
  readonly names: readonly string[]
  /** Waiting tasks of a queue in memory, about. */
  readonly windowTasks: number | undefined
  partitionsOf(queue: string): number
  /** Throws `ARGUMENT_INVALID` for what makes no sense. */
  of(queue: string, overrides: QueueOverrides): QueueDesign
  /** Throws `ARGUMENT_INVALID` for what only code may set. */
  assertMayChange(queue: string, changes: QueueOverrides): void
}

export interface QueueParts {
  readonly queue: TaskQueue<LiveTask>
  readonly fleet: WorkerFleet
}

export class LiveQueue {
  readonly key: QueueKey
  readonly queue: TaskQueue<LiveTask>
  readonly crew: QueueCrew<LiveTask>
  wake: { readonly cancel: Cancel; readonly atMs: number } | undefined
  /** Something of it waits: it is looked at. */
  isActive = false
  /** Somebody has asked for it since empty ones were looked for. */
  isUsed = true
  /** Its shard is about to be given up: nothing is taken from it. */
  isClosed = false
  /** Why it is paused, and since when; undefined: it is not, or code says so. */
  pause: QueuePause | undefined

  constructor(key: QueueKey, { queue, fleet }: QueueParts) {
    this.key = key
    this.queue = queue
    this.crew = new QueueCrew(fleet)
  }

  rest(): void {
    this.wake?.cancel()
    this.wake = undefined
  }
}

export function queueText({ namespace, queue, partition }: QueueKey): string {
  return `${namespace}\0${queue}\0${partition}`
}
