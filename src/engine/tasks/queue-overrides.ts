/** What callers ask to be changed in the settings of a queue, looked at: the same settings always become the same text. */
import { PerdureError } from '../../protocol/errors.ts'
import {
  BALANCER_NAMES,
  type BalancerSetting,
  POLICY_NAMES,
  type PolicyName,
  type PolicySetting,
  QUEUE_SETTING_NAMES,
  type QueueOverrides,
  type QueueSettingName,
  type RateLimit,
} from '../../protocol/queue-settings.ts'

const POLICY_OPTIONS: Readonly<Record<PolicyName, readonly string[]>> = {
  fcfs: [],
  sjf: ['aging'],
  priority: ['agingMs'],
  'round-robin': ['quantumMs', 'weights'],
}

type Given = Readonly<Record<string, unknown>>

/**
 * Names, types and what JSON cannot hold; bounds are looked at where the settings are put together.
 *
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function checkedOverrides(changes: QueueOverrides): QueueOverrides {
  const given = objectOf(changes, 'the settings of a queue')
  checkNames(given, QUEUE_SETTING_NAMES, 'a setting that can be changed at run time')
  const { policy, balancer, rate, keyRate, concurrency, keyConcurrency, paused } = given
  if (paused !== undefined && typeof paused !== 'boolean')
    throw invalid(`paused is ${text(paused)}, not true or false`)
  const checked = {
    policy: policy === undefined ? undefined : policySetting(policy),
    balancer: balancer === undefined ? undefined : balancerSetting(balancer),
    concurrency: countOrNone(concurrency, 'concurrency'),
    keyConcurrency: countOrNone(keyConcurrency, 'keyConcurrency'),
    rate: rateOrNone(rate, 'rate'),
    keyRate: rateOrNone(keyRate, 'keyRate'),
    paused,
  }
  return withoutUndefined(checked) as QueueOverrides
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedSettingNames(
  names: readonly QueueSettingName[] | undefined,
): readonly QueueSettingName[] {
  if (names === undefined) return QUEUE_SETTING_NAMES
  if (!Array.isArray(names)) throw invalid(`the settings to reset are ${text(names)}, not a list of names`)
  checkNames(
    Object.fromEntries(names.map((name) => [name, true])),
    QUEUE_SETTING_NAMES,
    'a setting of queues',
  )
  return names
}

/** Those of `before` that `changes` does not have, and those of `changes`; always in the same order. */
export function mergedOverrides(before: QueueOverrides, changes: QueueOverrides): QueueOverrides {
  const merged: Given = { ...before, ...changes }
  return Object.fromEntries(
    QUEUE_SETTING_NAMES.flatMap((name) => (merged[name] === undefined ? [] : [[name, merged[name]]])),
  )
}

function policySetting(value: unknown): PolicySetting {
  const { name, ...options } = objectOf(value, 'policy')
  if (!POLICY_NAMES.includes(name as PolicyName))
    throw invalid(
      `there is no scheduling policy ${text(name)} to change to; there are ${POLICY_NAMES.join(', ')}. A policy of your own is declared in code, and counts again after reset(queue, ['policy'])`,
    )
  const of = `policy ${String(name)}`
  checkNames(options, POLICY_OPTIONS[name as PolicyName], `an option of ${of}`)
  for (const [option, given] of Object.entries(options))
    if (option === 'weights')
      for (const [key, weight] of Object.entries(objectOf(given, `weights of ${of}`)))
        finite(weight, `the weight of '${key}'`)
    else finite(given, `${option} of ${of}`)
  // The one cast: names and types were looked at.
  return { name, ...sorted(options) } as unknown as PolicySetting
}

function balancerSetting(value: unknown): BalancerSetting {
  const { name, ...options } = objectOf(value, 'balancer')
  if (!BALANCER_NAMES.some((each) => each === name))
    throw invalid(
      `there is no load balancer ${text(name)} to change to; there are ${BALANCER_NAMES.join(', ')}. A balancer of your own is declared in code, and counts again after reset(queue, ['balancer'])`,
    )
  return { name, ...sorted(options) } as unknown as BalancerSetting
}

function countOrNone(value: unknown, what: string): number | null | undefined {
  if (value === undefined || value === null) return value
  return finite(value, what)
}

function rateOrNone(value: unknown, what: string): RateLimit | null | undefined {
  if (value === undefined || value === null) return value
  const { perSecond, burst, ...more } = objectOf(value, what)
  checkNames(more, ['perSecond', 'burst'], `a part of ${what}`)
  const per = finite(perSecond, `${what}.perSecond`)
  return burst === undefined ? { perSecond: per } : { perSecond: per, burst: finite(burst, `${what}.burst`) }
}

function finite(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  const hint =
    value === Number.POSITIVE_INFINITY ? '; to have none at all, give a very large number, such as 1e12' : ''
  throw invalid(`${what} is ${text(value)}, not a finite number${hint}`)
}

function objectOf(value: unknown, what: string): Given {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given
  throw invalid(`${what}: ${text(value)} is not an object`)
}

function checkNames(given: Given, names: readonly string[], what: string): void {
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw invalid(`'${name}' is not ${what}; there are ${names.join(', ') || 'none'}`)
}

function sorted(options: Given): Given {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function withoutUndefined(values: Given): Given {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function text(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

const invalid = (detail: string): PerdureError => new PerdureError('ARGUMENT_INVALID', detail)
