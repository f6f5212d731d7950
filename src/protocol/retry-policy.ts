/** When a failed step attempt is tried again. All times are ms. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number
  readonly initialMs: number
  readonly maxMs: number
  /** `full-jitter`: U(0, min(max, initial * 2^n)). `decorrelated`: min(max, U(initial, 3 * previous delay)). */
  readonly backoff: 'full-jitter' | 'decorrelated'
  /** Names of errors that are never retried. */
  readonly nonRetryable: readonly string[]
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 5,
  initialMs: 200,
  maxMs: 30_000,
  backoff: 'full-jitter',
  nonRetryable: [],
}
