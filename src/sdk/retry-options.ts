/** Retry options as users give them, checked. */
import { type Duration, optionalMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_RETRY, type RetryPolicy } from '../protocol/retry-policy.ts'
import { checkNames, type OptionNames } from './checked-arguments.ts'

export interface RetryOptions {
  /** Attempts in all, the first included. Default 5; 1 means no retry. */
  readonly maxAttempts?: number
  /** Upper bound of the first delay. Default `'200ms'`. */
  readonly initialInterval?: Duration
  /** Upper bound of any delay. Default `'30s'`. */
  readonly maxInterval?: Duration
  /** Default `'full-jitter'`. Source: "Exponential Backoff And Jitter", AWS Architecture Blog. */
  readonly backoff?: 'full-jitter' | 'decorrelated'
  /** Names of errors that are never retried. Errors with `nonRetryable: true` are not retried either. */
  readonly nonRetryable?: readonly string[]
}

const OPTIONS: OptionNames<RetryOptions> = {
  maxAttempts: true,
  initialInterval: true,
  maxInterval: true,
  backoff: true,
  nonRetryable: true,
}

/** Retry options are usually one shared object: read once. */
const policies = new WeakMap<RetryOptions, RetryPolicy>()

export function retryPolicyOf(options: RetryOptions): RetryPolicy {
  if (typeof options !== 'object' || options === null)
    throw new PerdureError('ARGUMENT_INVALID', 'retry is not an object')
  const known = policies.get(options)
  if (known !== undefined) return known
  checkNames(options, OPTIONS, (name) => `retry has no option '${name}'`)
  const {
    maxAttempts = DEFAULT_RETRY.maxAttempts,
    backoff = DEFAULT_RETRY.backoff,
    nonRetryable = [],
  } = options
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) {
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `retry.maxAttempts is ${maxAttempts}, not a whole number of 1 or more`,
    )
  }
  if (backoff !== 'full-jitter' && backoff !== 'decorrelated')
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `retry.backoff is ${JSON.stringify(backoff)}, not 'full-jitter' or 'decorrelated'`,
    )
  if (!Array.isArray(nonRetryable) || nonRetryable.some((name) => typeof name !== 'string'))
    throw new PerdureError('ARGUMENT_INVALID', 'retry.nonRetryable is not a list of names of errors')
  const policy: RetryPolicy = {
    maxAttempts,
    backoff,
    nonRetryable: [...nonRetryable],
    initialMs: optionalMs(options.initialInterval, 'retry.initialInterval') ?? DEFAULT_RETRY.initialMs,
    maxMs: optionalMs(options.maxInterval, 'retry.maxInterval') ?? DEFAULT_RETRY.maxMs,
  }
  if (Object.isFrozen(options)) policies.set(options, policy)
  return policy
}
