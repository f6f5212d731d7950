/** The strategies of the queue, as the command line names them: all that Perdure ships. */
import type { BalancerSetting, PolicySetting } from 'perdure'

export type PolicyName = PolicySetting['name']
export type BalancerName = BalancerSetting['name']

// As objects, so that the compiler misses a name that is not here.
const policies: Readonly<Record<PolicyName, true>> = {
  fcfs: true,
  sjf: true,
  priority: true,
  'round-robin': true,
}

const balancers: Readonly<Record<BalancerName, true>> = {
  random: true,
  'round-robin': true,
  'weighted-round-robin': true,
  'least-connections': true,
  'power-of-two': true,
  'peak-ewma': true,
  'ip-hash': true,
  hash: true,
  'consistent-hash': true,
}

export const policyNames: string = Object.keys(policies).join(', ')
export const balancerNames: string = Object.keys(balancers).join(', ')

export const isPolicyName = (name: string): name is PolicyName => Object.hasOwn(policies, name)
export const isBalancerName = (name: string): name is BalancerName => Object.hasOwn(balancers, name)
