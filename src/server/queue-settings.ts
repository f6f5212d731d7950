/** Settings of queues, as users give them, and the queues that are made of them. */
import { type POLICY_NAMES, type PolicySetting, policyOf } from '../core/queue/policies.ts'
import type { SchedulingPolicy } from '../core/queue/policy.ts'
import { checkLimits, type QueueLimits } from '../core/queue/queue-limits.ts'
import { type QueuedTask, TaskQueue } from '../core/queue/task-queue.ts'
import { seedOf } from '../platform/randomness.ts'
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'

export interface QueueSettings extends QueueLimits {
  readonly name: string
  /**
   * Which task is next: `fcfs` (default), `sjf`, `priority` or `round-robin`; with options as an object, such as
   * `{ name: 'round-robin', quantumMs: 50, weights: { gold: 3 } }`; or your own.
   */
  readonly policy?: (typeof POLICY_NAMES)[number] | PolicySetting | (() => SchedulingPolicy)
  /** Tasks wait, none starts. Default false. */
  readonly paused?: boolean
}

export type MakeQueue = <Task extends QueuedTask>(queue: string, nowMs: number) => TaskQueue<Task>

/** Throws `ARGUMENT_INVALID` for settings that make no sense. Queues that are not named get the defaults. */
export function queueMaker(settings: readonly QueueSettings[], windowTasks?: number): MakeQueue {
  if (!Array.isArray(settings))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ queues }) is not a list')
  const known = new Map<string, QueueSettings>()
  for (const queue of settings) {
    const name = checkedName(queue?.name, 'the name of a queue')
    if (known.has(name)) throw new PerdureError('ARGUMENT_INVALID', `queue ${name} is set twice`)
    checkQueue(queue)
    known.set(name, queue)
  }
  return (queue, nowMs) => {
    const { policy = 'fcfs', paused = false, ...limits } = known.get(queue) ?? { name: queue }
    const options = { policy: made(policy), policyTag: tagOf(policy, limits), limits, isPaused: paused }
    return new TaskQueue(windowTasks === undefined ? options : { ...options, windowTasks }, nowMs)
  }
}

function checkQueue(queue: QueueSettings): void {
  try {
    checkLimits(queue)
    const { rank, flow } = made(queue.policy ?? 'fcfs').place({
      name: 'a',
      key: '',
      priority: 5,
      estimateMs: undefined,
      enqueuedMs: 0,
      order: 1,
    })
    if (!Number.isFinite(rank) || typeof flow !== 'string')
      throw new RangeError('the policy must place tasks by a flow (text) and a rank (finite number)')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new PerdureError('ARGUMENT_INVALID', `queue ${queue.name}: ${reason}`, { cause: error })
  }
}

function made(policy: NonNullable<QueueSettings['policy']>): SchedulingPolicy {
  if (typeof policy === 'function') return policy()
  return policyOf(typeof policy === 'string' ? ({ name: policy } as PolicySetting) : policy)
}

/** Other settings, other places: tasks that wait with another tag are moved. */
function tagOf(
  policy: NonNullable<QueueSettings['policy']>,
  { keyConcurrency, keyRate }: QueueLimits,
): string {
  const keyed = keyConcurrency === undefined && keyRate === undefined ? '' : '+keys'
  if (typeof policy === 'string') return policy + keyed
  if (typeof policy === 'function') return policy().name + keyed
  const { name, ...options } = policy
  const text = JSON.stringify(options)
  return text === '{}' ? name + keyed : `${name}-${(seedOf(text) >>> 0).toString(36)}${keyed}`
}
