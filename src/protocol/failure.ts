/** How an error is recorded: data that survives the process, and comes back as an error of the right kind. */
import { ERROR_CATALOGUE, type ErrorCode, PerdureError } from './errors.ts'
import type { Payload } from './payload.ts'

export interface Failure {
  /** `application`: thrown by user code. `platform`: ours, with a code of the catalogue. */
  readonly kind: 'application' | 'platform'
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  /** Never retried, whatever the retry policy says. */
  readonly nonRetryable?: true
  readonly cause?: Failure
  /** Message, stack and cause, encrypted; then `message` is `SEALED_MESSAGE`, and there is neither a stack nor a cause. */
  readonly sealed?: Payload
}

export const SEALED_MESSAGE = '(encrypted)'

/** What is encrypted of an error goes with it, so that it is not lost where an error is made a failure again. */
const sealedParts = new WeakMap<Error, Payload>()

const CAUSE_DEPTH = 8
const TEXT_LIMIT = 16_384

/** An error thrown by user code, as it comes back from the journal: name, message, stack, code and cause are kept. */
export class ApplicationError extends Error {
  override readonly name: string
  readonly code: string | undefined

  constructor(failure: Failure) {
    super(failure.message, failure.cause === undefined ? undefined : { cause: errorOf(failure.cause) })
    this.name = failure.name
    this.code = failure.code
    if (failure.stack !== undefined) this.stack = failure.stack
  }
}

/** Throw it from a step to fail the step at once, without further attempts. */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'
  readonly nonRetryable = true
}

/** Never throws, whatever was thrown. */
export function failureOf(thrown: unknown, depth = 0): Failure {
  try {
    return readFailure(thrown, depth)
  } catch {
    // A getter or a proxy that throws itself.
    return { kind: 'application', name: 'NonError', message: 'an error that cannot be read was thrown' }
  }
}

function readFailure(thrown: unknown, depth: number): Failure {
  if (!(thrown instanceof Error)) {
    return { kind: 'application', name: 'NonError', message: clipped(describeThrown(thrown)) }
  }
  const code = (thrown as { code?: unknown }).code
  const platform = thrown instanceof PerdureError
  const sealed = sealedParts.get(thrown)
  return {
    kind: platform ? 'platform' : 'application',
    name: clipped(thrown.name),
    message: clipped(platform ? detailOf(thrown) : thrown.message),
    ...(thrown.stack === undefined ? {} : { stack: clipped(thrown.stack) }),
    ...(typeof code === 'string' || typeof code === 'number' ? { code: clipped(String(code)) } : {}),
    ...((thrown as { nonRetryable?: unknown }).nonRetryable === true ? { nonRetryable: true as const } : {}),
    ...(thrown.cause !== undefined && depth < CAUSE_DEPTH
      ? { cause: failureOf(thrown.cause, depth + 1) }
      : {}),
    ...(sealed === undefined ? {} : { sealed }),
  }
}

export function platformFailure(code: ErrorCode, message: string, cause?: Failure): Failure {
  return { kind: 'platform', name: 'PerdureError', message, code, ...(cause === undefined ? {} : { cause }) }
}

export function errorOf(failure: Failure): Error {
  const error = madeError(failure)
  if (failure.sealed !== undefined) sealedParts.set(error, failure.sealed)
  return error
}

function madeError(failure: Failure): Error {
  if (failure.kind === 'platform' && failure.code !== undefined && failure.code in ERROR_CATALOGUE) {
    const cause = failure.cause === undefined ? undefined : { cause: errorOf(failure.cause) }
    return new PerdureError(failure.code as ErrorCode, failure.message, cause)
  }
  return new ApplicationError(failure)
}

/** The message of a cause, for that of an error with `code`: what both would say of the code is said once. */
export function causeText(cause: Error, code: ErrorCode): string {
  return cause instanceof PerdureError && cause.code === code ? detailOf(cause) : cause.message
}

/** A platform error's message without the code and hint that its constructor adds. */
function detailOf(error: PerdureError): string {
  const suffix = ` (${error.code}). ${error.hint}`
  return error.message.endsWith(suffix) ? error.message.slice(0, -suffix.length) : error.message
}

function describeThrown(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  try {
    return JSON.stringify(thrown) ?? String(thrown)
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}

/** Errors may carry anything under `name`, `message` and `stack`. */
function clipped(value: unknown): string {
  const text = typeof value === 'string' ? value : describeThrown(value)
  return text.length <= TEXT_LIMIT ? text : `${text.slice(0, TEXT_LIMIT)}…`
}
