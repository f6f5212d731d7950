/** The shipped load balancers by name, with their options. */
import { PerdureError } from '../../protocol/errors.ts'
import { BALANCER_NAMES, type BalancerName, type BalancerOptions } from '../../protocol/queue-settings.ts'
import { ConsistentHash } from './consistent-hash.ts'
import { HashModulo, keyOfAddress, keyOfHash } from './hash-modulo.ts'
import { LeastConnections } from './least-connections.ts'
import type { LoadBalancer, Random } from './load-balancer.ts'
import { PeakEwma } from './peak-ewma.ts'
import { PowerOfTwo } from './power-of-two.ts'
import { RandomBalancer } from './random.ts'
import { RoundRobin } from './round-robin.ts'
import { SmoothWeightedRoundRobin } from './smooth-weighted-round-robin.ts'

/** Options with defaults and bounds; all numbers are finite. */
export const BALANCER_OPTIONS = {
  random: {},
  'round-robin': {},
  'weighted-round-robin': {
    weights: { values: ['load', 'static'], default: 'load' },
    maxFails: { min: 1, max: 1000, default: 1 },
  },
  'least-connections': {},
  'power-of-two': {},
  'peak-ewma': {
    decayMs: { min: 1, max: 3_600_000, default: 10_000 },
    penaltyMs: { min: 0, max: 3_600_000, default: 10_000 },
  },
  'ip-hash': {},
  hash: {},
  'consistent-hash': {
    loadFactor: { min: 1.01, max: 100, default: 1.25 },
    virtualNodes: { min: 1, max: 1000, default: 100 },
  },
} as const satisfies Readonly<Record<BalancerName, Readonly<Record<string, Rule>>>>

type Rule =
  | { readonly values: readonly string[]; readonly default: string }
  | { readonly min: number; readonly max: number; readonly default: number }

/** Throws `ARGUMENT_INVALID` for a name or option that is not known, and for a value out of its bounds. */
export function createBalancer(name: string, options: BalancerOptions, random: Random): LoadBalancer {
  if (!isBalancerName(name))
    throw invalid(`no load balancer is called '${name}'; there are ${BALANCER_NAMES.join(', ')}`)
  const given = new OptionReader(name, options)
  switch (name) {
    case 'random':
      return new RandomBalancer(random)
    case 'round-robin':
      return new RoundRobin()
    case 'weighted-round-robin': {
      const weights = given.text('weights') === 'static' ? 'static' : 'load'
      return new SmoothWeightedRoundRobin({ weights, maxFails: given.number('maxFails') })
    }
    case 'least-connections':
      return new LeastConnections()
    case 'power-of-two':
      return new PowerOfTwo(random)
    case 'peak-ewma':
      return new PeakEwma({ decayMs: given.number('decayMs'), penaltyMs: given.number('penaltyMs') }, random)
    case 'ip-hash':
      return new HashModulo(keyOfAddress)
    case 'hash':
      return new HashModulo(keyOfHash)
    case 'consistent-hash': {
      const loadFactor = given.number('loadFactor')
      return new ConsistentHash({ loadFactor, virtualNodes: given.number('virtualNodes') })
    }
  }
}

export function isBalancerName(name: string): name is BalancerName {
  return Object.hasOwn(BALANCER_OPTIONS, name)
}

class OptionReader {
  private readonly values = new Map<string, string | number>()

  constructor(balancer: BalancerName, options: BalancerOptions) {
    const rules: Readonly<Record<string, Rule>> = BALANCER_OPTIONS[balancer]
    for (const [option, value] of Object.entries(options)) {
      if (!Object.hasOwn(rules, option)) {
        const known = Object.keys(rules).join(', ') || 'none'
        throw invalid(`${balancer} has no option '${option}'; its options: ${known}`)
      }
      this.values.set(option, value)
    }
    for (const [option, rule] of Object.entries(rules)) {
      const value = this.values.get(option) ?? rule.default
      check(`option ${option} of ${balancer}`, value, rule)
      this.values.set(option, value)
    }
  }

  number(option: string): number {
    return Number(this.values.get(option))
  }

  text(option: string): string {
    return String(this.values.get(option))
  }
}

function check(what: string, value: unknown, rule: Rule): void {
  if ('values' in rule) {
    if (!rule.values.some((each) => each === value))
      throw invalid(`${what} is '${String(value)}', not one of ${rule.values.join(', ')}`)
  } else if (typeof value !== 'number' || !(value >= rule.min && value <= rule.max))
    throw invalid(`${what} is '${String(value)}', not a number from ${rule.min} to ${rule.max}`)
}

const invalid = (detail: string): PerdureError => new PerdureError('ARGUMENT_INVALID', detail)
