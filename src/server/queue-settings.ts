/** Settings of queues, as users give them, and the queues that are made of them. */
import { type BalancerName, type BalancerOptions, createBalancer } from '../core/balance/balancers.ts'
import type { LoadBalancer, Random } from '../core/balance/load-balancer.ts'
import { type FleetOptions, WorkerFleet } from '../core/balance/worker-fleet.ts'
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
  /**
   * Which worker gets a task: `random`, `round-robin`, `weighted-round-robin`, `least-connections`, `power-of-two`
   * (default), `peak-ewma`, `ip-hash`, `hash` or `consistent-hash`; with options as an object, such as
   * `{ name: 'consistent-hash', loadFactor: 1.5 }`; or your own.
   */
  readonly balancer?:
    | BalancerName
    | ({ readonly name: BalancerName } & BalancerOptions)
    | ((random: Random) => LoadBalancer)
  /** Zones of workers, nearest first. Default: no preference. */
  readonly zones?: readonly string[]
  /** Ejection of failing workers; `false`: none. Default: after 5 failures in a row, as docs/load-balancing.md says. */
  readonly ejection?: FleetOptions['ejection']
}

/** What a queue is made of: the order of its tasks, and the workers that it may give them to. */
export interface MadeQueue<Task extends QueuedTask> {
  readonly queue: TaskQueue<Task>
  readonly fleet: WorkerFleet
}

export type QueueMaker = <Task extends QueuedTask>(queue: string, nowMs: number) => MadeQueue<Task>

export interface QueueMakerOptions {
  readonly random: Random
  /** Waiting tasks of a queue in memory, about. */
  readonly windowTasks: number | undefined
}

const DEFAULT_BALANCER: BalancerName = 'power-of-two'

/** Throws `ARGUMENT_INVALID` for settings that make no sense. Queues that are not named get the defaults. */
export function queueMaker(
  settings: readonly QueueSettings[],
  { random, windowTasks }: QueueMakerOptions,
): QueueMaker {
  if (!Array.isArray(settings))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ queues }) is not a list')
  const known = new Map<string, QueueSettings>()
  for (const queue of settings) {
    const name = checkedName(queue?.name, 'the name of a queue')
    if (known.has(name)) throw new PerdureError('ARGUMENT_INVALID', `queue ${name} is set twice`)
    checkQueue(queue)
    fleetOf(queue, random)
    known.set(name, queue)
  }
  return (queue, nowMs) => {
    const own = known.get(queue) ?? { name: queue }
    const { policy = 'fcfs', paused = false, concurrency, rate, keyConcurrency, keyRate } = own
    const limits = defined({ concurrency, rate, keyConcurrency, keyRate })
    const options = { policy: made(policy), policyTag: tagOf(policy, limits), limits, isPaused: paused }
    return {
      queue: new TaskQueue(windowTasks === undefined ? options : { ...options, windowTasks }, nowMs),
      fleet: fleetOf(own, random),
    }
  }
}

function fleetOf(settings: QueueSettings, random: Random): WorkerFleet {
  const { balancer = DEFAULT_BALANCER, zones, ejection } = settings
  try {
    return new WorkerFleet(balancerOf(balancer, random), {
      affinity: 'prefer',
      ...defined({ zones, ejection }),
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new PerdureError('ARGUMENT_INVALID', `queue ${settings.name}: ${reason}`, { cause: error })
  }
}

function balancerOf(balancer: NonNullable<QueueSettings['balancer']>, random: Random): LoadBalancer {
  if (typeof balancer === 'function') {
    const own = balancer(random)
    if (typeof own?.pick !== 'function') throw new TypeError('the balancer has no method pick')
    return own
  }
  if (typeof balancer === 'string') return createBalancer(balancer, {}, random)
  const { name, ...options } = balancer
  return createBalancer(name, options, random)
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>
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
