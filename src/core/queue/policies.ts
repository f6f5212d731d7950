/** The scheduling policies by name, as settings of a queue give them. */
import { fcfs } from './fcfs.ts'
import type { SchedulingPolicy } from './policy.ts'
import { type PriorityOptions, priority } from './priority.ts'
import { type RoundRobinOptions, roundRobin } from './round-robin.ts'
import { type SjfOptions, sjf } from './sjf.ts'

export type PolicySetting =
  | { readonly name: 'fcfs' }
  | ({ readonly name: 'sjf' } & SjfOptions)
  | ({ readonly name: 'priority' } & PriorityOptions)
  | ({ readonly name: 'round-robin' } & RoundRobinOptions)

export const POLICY_NAMES = ['fcfs', 'sjf', 'priority', 'round-robin'] as const

export type PolicyName = (typeof POLICY_NAMES)[number]

/** A new policy, which has learned nothing. Throws a RangeError for a name or an option that makes no sense. */
export function policyOf(setting: PolicySetting): SchedulingPolicy {
  switch (setting.name) {
    case 'fcfs':
      return fcfs()
    case 'sjf':
      return sjf(setting)
    case 'priority':
      return priority(setting)
    case 'round-robin':
      return roundRobin(setting)
    default:
      throw new RangeError(
        `there is no scheduling policy '${(setting as { name: unknown }).name}'; there are ${POLICY_NAMES.join(', ')}`,
      )
  }
}
