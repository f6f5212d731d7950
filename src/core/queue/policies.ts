/** The scheduling policies by name, as settings of a queue give them. */
import { POLICY_NAMES, type PolicySetting } from '../../protocol/queue-settings.ts'
import { fcfs } from './fcfs.ts'
import type { SchedulingPolicy } from './policy.ts'
import { priority } from './priority.ts'
import { roundRobin } from './round-robin.ts'
import { sjf } from './sjf.ts'

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
