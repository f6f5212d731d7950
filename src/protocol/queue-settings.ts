/** Settings of queues, as data: what they may be, in code and at run time. */

export const POLICY_NAMES = ['fcfs', 'sjf', 'priority', 'round-robin'] as const

export type PolicyName = (typeof POLICY_NAMES)[number]

export interface SjfOptions {
  /** Waiting this much longer makes up for one more of estimate: ms per ms. 0: no aging, long jobs may starve. At most 1e6. Default 0.1. */
  readonly aging?: number
}

export interface PriorityOptions {
  /** Waiting this long is worth one level, ms; `Infinity`: no aging, low levels may starve. Otherwise at most 1e12. Default 60,000. */
  readonly agingMs?: number
}

export interface RoundRobinOptions {
  /** Service per round of a key of weight 1, ms; a task that runs longer is asked to yield. 0.01 to 1e12. Default 100. */
  readonly quantumMs?: number
  /** Weight of keys, 1e-6 to 1e6; those that are not named have 1. */
  readonly weights?: Readonly<Record<string, number>>
}

export type PolicySetting =
  | { readonly name: 'fcfs' }
  | ({ readonly name: 'sjf' } & SjfOptions)
  | ({ readonly name: 'priority' } & PriorityOptions)
  | ({ readonly name: 'round-robin' } & RoundRobinOptions)

export const BALANCER_NAMES = [
  'random',
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'power-of-two',
  'peak-ewma',
  'ip-hash',
  'hash',
  'consistent-hash',
] as const

export type BalancerName = (typeof BALANCER_NAMES)[number]

export type BalancerOptions = Readonly<Record<string, string | number>>

export type BalancerSetting = { readonly name: BalancerName } & BalancerOptions

/** A bucket of tokens that fills evenly up to its burst. Each start takes one. */
export interface RateLimit {
  /** Starts per second, above 0. */
  readonly perSecond: number
  /** Starts at once after a pause, 1 or more. Default: those of one second, at least 1. */
  readonly burst?: number
}

export interface QueueLimits {
  /** Tasks that run at once. Default: no limit. */
  readonly concurrency?: number
  /** Tasks of one key that run at once. */
  readonly keyConcurrency?: number
  readonly rate?: RateLimit
  readonly keyRate?: RateLimit
}

/** What can be changed while the engine runs. Of a limit `null` means: none. */
export interface QueueOverrides {
  readonly policy?: PolicySetting
  readonly balancer?: BalancerSetting
  readonly concurrency?: number | null
  readonly keyConcurrency?: number | null
  readonly rate?: RateLimit | null
  readonly keyRate?: RateLimit | null
  readonly paused?: boolean
}

export const QUEUE_SETTING_NAMES = [
  'policy',
  'balancer',
  'concurrency',
  'keyConcurrency',
  'rate',
  'keyRate',
  'paused',
] as const satisfies readonly (keyof QueueOverrides)[]

export type QueueSettingName = (typeof QUEUE_SETTING_NAMES)[number]
