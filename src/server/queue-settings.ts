/** Settings of queues, as code declares them, and what they come to with those that are changed at run time. */
import { createBalancer } from '../core/balance/balancers.ts'
import type { LoadBalancer, Random } from '../core/balance/load-balancer.ts'
import { type FleetOptions, WorkerFleet } from '../core/balance/worker-fleet.ts'
import { guardedPolicy } from '../core/queue/guarded-policy.ts'
import { checkPartitions, partitionLimits } from '../core/queue/partition-limits.ts'
import { policyOf } from '../core/queue/policies.ts'
import type { Place, SchedulingPolicy } from '../core/queue/policy.ts'
import { checkLimits } from '../core/queue/queue-limits.ts'
import type { QueueDesign, QueueDesigns } from '../engine/tasks/live-queue.ts'
import type { Logger } from '../platform/logger.ts'
import { seedOf } from '../platform/randomness.ts'
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import { failureOf } from '../protocol/failure.ts'
import type { OwnStrategy, QueueDeclaration } from '../protocol/queue-port.ts'
import type {
  BalancerName,
  BalancerSetting,
  PolicyName,
  PolicySetting,
  QueueLimits,
  QueueOverrides,
} from '../protocol/queue-settings.ts'
import type { OptionNames } from '../sdk/checked-arguments.ts'
import { checkQueueSettings } from './checked-queue-settings.ts'

export interface QueueSettings extends QueueLimits {
  readonly name: string
  /**
   * Which task is next: `fcfs` (default), `sjf`, `priority` or `round-robin`; with options as an object, such as
   * `{ name: 'round-robin', quantumMs: 50, weights: { gold: 3 } }`; or your own.
   */
  readonly policy?: PolicyName | PolicySetting | (() => SchedulingPolicy)
  /**
   * Parts that are ordered by themselves, 1 to 64. Default 1. All tasks of a key are in one part; of the limits that are
   * not per key each part has its share. The order holds within a part. Change it when the queue is empty: tasks that wait
   * stay in their part.
   */
  readonly partitions?: number
  /** Tasks wait, none starts. Default false. */
  readonly paused?: boolean
  /**
   * Which worker gets a task: `random`, `round-robin`, `weighted-round-robin`, `least-connections`, `power-of-two`
   * (default), `peak-ewma`, `ip-hash`, `hash` or `consistent-hash`; with options as an object, such as
   * `{ name: 'consistent-hash', loadFactor: 1.5 }`; or your own.
   */
  readonly balancer?: BalancerName | BalancerSetting | ((random: Random) => LoadBalancer)
  /** Zones of workers, nearest first. Default: no preference. */
  readonly zones?: readonly string[]
  /** Ejection of failing workers; `false`: none. Default: after 5 failures in a row, as docs/load-balancing.md says. */
  readonly ejection?: FleetOptions['ejection']
}

const SETTINGS: OptionNames<QueueSettings> = {
  name: true,
  policy: true,
  partitions: true,
  paused: true,
  balancer: true,
  zones: true,
  ejection: true,
  concurrency: true,
  keyConcurrency: true,
  rate: true,
  keyRate: true,
}

export interface QueueDesignsOptions {
  readonly logger: Logger
  readonly random: Random
  /** Waiting tasks of a queue in memory, about. */
  readonly windowTasks: number | undefined
  /**
   * Of queues of the engine's own, where code says nothing else. How many of their tasks run at once can be lowered while the engine
   * runs, and not raised: all namespaces share what runs them. Default: none.
   */
  readonly own?: readonly QueueSettings[]
}

const SHARED_LIMITS = ['concurrency', 'keyConcurrency'] as const

const DEFAULT_POLICY: PolicyName = 'fcfs'
const DEFAULT_BALANCER: BalancerName = 'power-of-two'

/** Throws `ARGUMENT_INVALID` for settings that make no sense. Queues that are not named get the defaults. */
export function queueDesigns(
  settings: readonly QueueSettings[],
  { random, windowTasks, logger, own = [] }: QueueDesignsOptions,
): QueueDesigns {
  if (!Array.isArray(settings))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ queues }) is not a list')
  const known = new Map<string, QueueSettings>()
  const ownByName = new Map(own.map((queue) => [queue.name, queue]))
  const inCode = (name: string): QueueSettings => ({ ...ownByName.get(name), ...known.get(name), name })
  for (const queue of settings) {
    const name = checkedName(queue?.name, 'the name of a queue')
    if (known.has(name)) throw new PerdureError('ARGUMENT_INVALID', `queue ${name} is set twice`)
    checkQueueSettings(queue, SETTINGS, `queue ${name}`)
    known.set(name, queue)
    checkQueue(inCode(name))
    fleetOf(queue, random)
  }
  return {
    names: [...known.keys()],
    windowTasks,
    partitionsOf: (name) => known.get(name)?.partitions ?? 1,
    of: (name, overrides) => {
      const code = inCode(name)
      const settings = overridden(code, overrides)
      const shared = ownByName.has(name) ? lowered(settings, code) : settings
      const declared = declarationOf(known.get(name) ?? { name })
      return designOf(shared, { declared, isChecked: Object.keys(overrides).length === 0, random, logger })
    },
    assertMayChange: (name, changes) => {
      if (ownByName.has(name)) assertLower(inCode(name), changes)
    },
  }
}

/** As far as it was raised while an engine ran that had more of them, it is as code says. */
function lowered(settings: QueueSettings, code: QueueSettings): QueueSettings {
  const limits = SHARED_LIMITS.map((name) => {
    const most = code[name] ?? Number.POSITIVE_INFINITY
    return [name, Math.min(settings[name] ?? most, most)] as const
  }).filter(([, limit]) => Number.isFinite(limit))
  return { ...settings, ...Object.fromEntries(limits) }
}

function assertLower(code: QueueSettings, changes: QueueOverrides): void {
  for (const name of SHARED_LIMITS) {
    const limit = changes[name]
    const most = code[name]
    if (limit === undefined || most === undefined || (limit !== null && limit <= most)) continue
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${name} of queue ${code.name} is ${limit ?? 'without a limit'}; all namespaces share what runs its tasks, so only createEngine({ queues }) can give it more than ${most}`,
    )
  }
}

function designOf(
  settings: QueueSettings,
  {
    declared,
    isChecked,
    random,
    logger,
  }: {
    readonly declared: QueueDeclaration
    readonly isChecked: boolean
  } & Pick<QueueDesignsOptions, 'random' | 'logger'>,
): QueueDesign {
  if (!isChecked) {
    checkQueue(settings)
    fleetOf(settings, random)
  }
  const { policy = DEFAULT_POLICY, balancer = DEFAULT_BALANCER, paused = false } = settings
  const { concurrency, rate, keyConcurrency, keyRate } = settings
  const limits = defined({ concurrency, rate, keyConcurrency, keyRate })
  return {
    limits,
    limitsOf: (partition) => partitionLimits(limits, partition, settings.partitions ?? 1),
    isPaused: paused,
    policyTag: tagOf(policy, limits),
    placesText: JSON.stringify([shownPolicy(policy), isKeyed(limits)]),
    balancerText: JSON.stringify(shownBalancer(balancer)),
    inForce: { policy: shownPolicy(policy), balancer: shownBalancer(balancer), paused, ...limits },
    declared,
    makePolicy: () => guarded(made(policy), policy, settings.name, logger),
    makeBalancer: () => balancerOf(balancer, random),
    makeFleet: () => fleetOf(settings, random),
  }
}

/** Of a limit `null` means: none. */
function overridden(code: QueueSettings, overrides: QueueOverrides): QueueSettings {
  const merged: Record<string, unknown> = { ...code }
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue
    if (value === null) delete merged[name]
    else merged[name] = value
  }
  // The one cast: names and values are those of settings.
  return merged as unknown as QueueSettings
}

function declarationOf({ policy, balancer, paused, ...rest }: QueueSettings): QueueDeclaration {
  const { concurrency, keyConcurrency, rate, keyRate } = rest
  return defined({
    policy: policy === undefined ? undefined : shownPolicy(policy),
    balancer: balancer === undefined ? undefined : shownBalancer(balancer),
    concurrency,
    keyConcurrency,
    rate,
    keyRate,
    paused,
  })
}

/** As data: of what code has brought along only its name. */
function shownPolicy(policy: NonNullable<QueueSettings['policy']>): PolicySetting | OwnStrategy {
  if (typeof policy === 'function') return { name: policy().name, own: true }
  return typeof policy === 'string' ? ({ name: policy } as PolicySetting) : policy
}

function shownBalancer(balancer: NonNullable<QueueSettings['balancer']>): BalancerSetting | OwnStrategy {
  if (typeof balancer === 'function') return { name: balancer.name || 'own', own: true }
  return typeof balancer === 'string' ? { name: balancer } : balancer
}

function fleetOf(settings: QueueSettings, random: Random): WorkerFleet {
  const { balancer = DEFAULT_BALANCER, zones, ejection } = settings
  try {
    return new WorkerFleet(balancerOf(balancer, random), {
      affinity: 'prefer',
      ...defined({ zones, ejection }),
    })
  } catch (error) {
    throw refused(settings, error)
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
    checkPartitions(queue.partitions ?? 1, queue)
    const place: Partial<Place> | undefined = made(queue.policy ?? 'fcfs').place({
      name: 'a',
      key: '',
      priority: 5,
      estimateMs: undefined,
      enqueuedMs: 0,
      order: 1,
    })
    if (!Number.isFinite(place?.rank) || typeof place?.flow !== 'string')
      throw new RangeError('the policy must place tasks by a flow (text) and a rank (finite number)')
  } catch (error) {
    throw refused(queue, error)
  }
}

function refused({ name }: QueueSettings, error: unknown): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `queue ${name}: ${failureOf(error).message}`, { cause: error })
}

function made(policy: NonNullable<QueueSettings['policy']>): SchedulingPolicy {
  if (typeof policy === 'function') return policy()
  return policyOf(typeof policy === 'string' ? ({ name: policy } as PolicySetting) : policy)
}

/** One of code that is not ours may throw, or answer nonsense, for some tasks. */
function guarded(
  policy: SchedulingPolicy,
  setting: NonNullable<QueueSettings['policy']>,
  queue: string,
  logger: Logger,
): SchedulingPolicy {
  if (typeof setting !== 'function') return policy
  return guardedPolicy(policy, (error) =>
    logger.error('a scheduling policy failed: its tasks wait in the order in which they came', {
      queue,
      policy: policy.name,
      error,
    }),
  )
}

/** Other settings, other places: tasks that wait with another tag are moved. */
function tagOf(policy: NonNullable<QueueSettings['policy']>, limits: QueueLimits): string {
  const keyed = isKeyed(limits) ? '+keys' : ''
  if (typeof policy === 'string') return policy + keyed
  if (typeof policy === 'function') return policy().name + keyed
  const { name, ...options } = policy
  const text = JSON.stringify(options)
  return text === '{}' ? name + keyed : `${name}-${(seedOf(text) >>> 0).toString(36)}${keyed}`
}

function isKeyed({ keyConcurrency, keyRate }: QueueLimits): boolean {
  return keyConcurrency !== undefined || keyRate !== undefined
}
