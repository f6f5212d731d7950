/**
 * Settings of queues, as programs without types may declare them: names that do not exist are refused, and values of
 * another kind. Whether numbers make sense is for those who use them. Of those that are changed at run time the engine does
 * the same: `checkedOverrides`.
 */
import { PerdureError } from '../protocol/errors.ts'
import {
  BALANCER_NAMES,
  POLICY_NAMES,
  type PolicyName,
  type PriorityOptions,
  type RateLimit,
  type RoundRobinOptions,
  type SjfOptions,
} from '../protocol/queue-settings.ts'
import { checkNames, type OptionNames } from '../sdk/checked-arguments.ts'

const NONE: Readonly<Record<string, true>> = {}
const SJF: OptionNames<SjfOptions> = { aging: true }
const PRIORITY: OptionNames<PriorityOptions> = { agingMs: true }
const ROUND_ROBIN: OptionNames<RoundRobinOptions> = { quantumMs: true, weights: true }
const POLICY_OPTIONS: Readonly<Record<PolicyName, object>> = {
  fcfs: NONE,
  sjf: SJF,
  priority: PRIORITY,
  'round-robin': ROUND_ROBIN,
}
const RATE: OptionNames<RateLimit> = { perSecond: true, burst: true }
const EJECTION: Readonly<Record<string, true>> = {
  consecutiveFailures: true,
  intervalMs: true,
  baseEjectionMs: true,
  maxEjectionMs: true,
  maxEjectedShare: true,
  successRate: true,
}
const SUCCESS_RATE: Readonly<Record<string, true>> = { workersMin: true, requestsMin: true, deviations: true }

/**
 * @param names of all settings that there are
 * @param what the queue, for the message
 */
export function checkQueueSettings(settings: object, names: object, what: string): void {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw invalid(`${what}: the settings are not an object`)
  checkNames(settings, names, (name) => `${what} has no setting '${name}'`)
  const given: Readonly<Record<string, unknown>> = { ...settings }
  for (const name of ['rate', 'keyRate'])
    if (isGiven(given[name])) checkObject(given[name], RATE, `${name} of ${what}`)
  if (isGiven(given.policy)) checkPolicy(given.policy, what)
  if (isGiven(given.balancer)) checkBalancer(given.balancer, what)
  const { paused, zones, ejection } = given
  if (isGiven(paused) && typeof paused !== 'boolean') throw invalid(`paused of ${what} is not true or false`)
  if (isGiven(zones) && !(Array.isArray(zones) && zones.every((zone) => typeof zone === 'string')))
    throw invalid(`zones of ${what} is not a list of texts`)
  if (isGiven(ejection) && ejection !== false) checkEjection(ejection, what)
}

function checkPolicy(policy: unknown, what: string): void {
  if (typeof policy === 'function') return
  const name = nameOf(policy)
  const known = POLICY_NAMES.find((each) => each === name)
  if (known === undefined)
    throw invalid(
      `${what}: there is no scheduling policy ${shown(name)}; there are ${POLICY_NAMES.join(', ')}`,
    )
  if (typeof policy === 'object')
    checkObject(policy, { name: true, ...POLICY_OPTIONS[known] }, `policy ${known} of ${what}`)
}

/** Its options are looked at where it is made. */
function checkBalancer(balancer: unknown, what: string): void {
  if (typeof balancer === 'function') return
  const name = nameOf(balancer)
  if (!BALANCER_NAMES.some((each) => each === name))
    throw invalid(
      `${what}: no load balancer is called ${shown(name)}; there are ${BALANCER_NAMES.join(', ')}`,
    )
}

function checkEjection(ejection: unknown, what: string): void {
  const { successRate } = checkObject(ejection, EJECTION, `ejection of ${what}`)
  if (isGiven(successRate) && successRate !== false)
    checkObject(successRate, SUCCESS_RATE, `ejection.successRate of ${what}`)
}

function checkObject(value: unknown, names: object, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} is not an object`)
  checkNames(value, names, (name) => `${what} has no option '${name}'`)
  return { ...value }
}

/** Of a strategy, given by its name or with options. */
function nameOf(strategy: unknown): unknown {
  return typeof strategy === 'object' && strategy !== null ? (strategy as { name?: unknown }).name : strategy
}

const shown = (name: unknown): string => (typeof name === 'string' ? `'${name}'` : String(name))

const isGiven = (value: unknown): boolean => value !== undefined

const invalid = (detail: string): PerdureError => new PerdureError('ARGUMENT_INVALID', detail)
