import { policyOf } from '../../src/core/queue/policies.ts'
import type { SchedulingPolicy } from '../../src/core/queue/policy.ts'
import { POLICY_NAMES } from '../../src/protocol/queue-settings.ts'
import { policyContract } from './policy.contract.ts'

for (const name of POLICY_NAMES) policyContract(name, () => policyOf({ name }))

/** A user's own: the oldest of the highest priority of names that come first in the alphabet. */
const byName: SchedulingPolicy = {
  name: 'by-name',
  place: ({ name, priority }) => ({ flow: '', rank: name.charCodeAt(0) - priority / 10, chargeMs: 0 }),
}

policyContract('of a user', () => byName)
