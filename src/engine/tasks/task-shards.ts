/** Queues that come to this node of a cluster, and leave it: those of the shards that it is given, and gives up. */
import { platformFailure } from '../../protocol/failure.ts'
import type { QueueAddress } from '../../protocol/ids.ts'
import type { QueueSettingRow } from '../../store/contract/queue-setting-rows.ts'
import type { LaneCount } from '../../store/contract/task-rows.ts'
import type { Ownership } from '../cluster/ownership.ts'
import type { QueueSettingsDesk } from './queue-settings-desk.ts'
import type { QueueTable } from './queue-table.ts'
import type { TaskAttempts } from './task-attempts.ts'
import type { TaskMemory } from './task-memory.ts'
import type { TaskMover } from './task-mover.ts'

export interface TaskShardsParts {
  readonly queues: QueueTable
  readonly settings: QueueSettingsDesk
  readonly attempts: TaskAttempts
  readonly memory: TaskMemory
  readonly mover: TaskMover
  readonly ownership: Ownership
  readonly restore: (lanes: readonly LaneCount[]) => void
  /** What is due by now is looked at again: it may be of these queues. */
  readonly includeTimers: () => void
}

type IsQueue = (queue: QueueAddress) => boolean

export class TaskShards {
  readonly #parts: TaskShardsParts

  constructor(parts: TaskShardsParts) {
    this.#parts = parts
  }

  /** Queues that are owned from now on: the rows were read since. */
  adopt(lanes: readonly LaneCount[], settings: readonly QueueSettingRow[], isNew: IsQueue): void {
    const { queues } = this.#parts
    // One that was only looked at may be there, empty.
    for (const live of queues.all().filter(({ key }) => isNew(key))) queues.remove(live)
    this.#parts.settings.follow(settings)
    this.#parts.restore(lanes.filter(isNew))
    this.#parts.includeTimers()
    queues.ask()
  }

  /** Nothing is taken any more from queues that are about to be given up. */
  close(isLeft: IsQueue): void {
    for (const live of this.#parts.queues.all()) if (isLeft(live.key)) live.isClosed = true
  }

  /** A task of these queues runs. */
  isRunning(isLeft: IsQueue): boolean {
    for (const { head } of this.#parts.attempts.all()) if (isLeft(head)) return true
    return false
  }

  /** Queues that are another node's from now on: what still runs is aborted, and runs again there. */
  release(isLeft: IsQueue): void {
    const { queues, attempts, memory, mover } = this.#parts
    const reason = platformFailure('SHARD_MOVED', 'the queue belongs to another node from now on')
    for (const task of [...attempts.all()]) if (isLeft(task.head)) attempts.stop(task, reason)
    for (const live of queues.all().filter(({ key }) => isLeft(key))) {
      mover.stop(live)
      queues.remove(live)
    }
    memory.forget(({ head }) => isLeft(head))
  }
}
