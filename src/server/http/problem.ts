/** Errors as problem documents, RFC 9457: with a code of the catalogue, and what to do. */
import { type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import { ApplicationError, type Failure, failureOf } from '../../protocol/failure.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** What does not fit in a request. */
export interface Fault {
  readonly in: 'body' | 'path' | 'query' | 'header'
  /** JSON pointer into the body; else the name of the parameter after `/`. */
  readonly pointer: string
  readonly detail: string
}

export interface Problem {
  /** Where the code is explained, relative to the API. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly hint: string
  readonly requestId: string
  readonly errors?: readonly Fault[]
  /** What has led to it, if that was an error of its own. */
  readonly cause?: Failure
}

/** A request that is refused before it reaches the engine. */
export class RequestError extends PerdureError {
  readonly faults: readonly Fault[] | undefined
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    detail: string,
    options: {
      readonly faults?: readonly Fault[]
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly hint?: string
    } = {},
  ) {
    super(code, detail, options.hint === undefined ? {} : { hint: options.hint })
    this.faults = options.faults
    this.status = options.status
    this.headers = options.headers ?? {}
  }
}

const RETRY_SOON_S = 1

/** @param error of the catalogue, or anything else, of which nothing is told but that it was there */
export function problemOf(
  error: unknown,
  requestId: string,
): { readonly problem: Problem; readonly headers: Readonly<Record<string, string>> } {
  const known = error instanceof PerdureError ? error : userError(error)
  const { code, retryable, hint, httpStatus, cause } = known
  const asked = known instanceof RequestError ? known : undefined
  const status = asked?.status ?? httpStatus
  const problem: Problem = {
    type: `/docs/errors#${code}`,
    title: titleOf(code),
    status,
    detail: failureOf(known).message,
    code,
    retryable,
    hint,
    requestId,
    ...(asked?.faults === undefined ? {} : { errors: asked.faults }),
    ...(cause === undefined || status === 500 ? {} : { cause: withoutStacks(failureOf(cause)) }),
  }
  return { problem, headers: { ...asked?.headers, ...challenge(status), ...retryAfter(known, status) } }
}

/** Such as a failure of a query's handler, which is not ours; anything else is a fault of this program. */
function userError(error: unknown): PerdureError {
  if (error instanceof ApplicationError)
    return new PerdureError('QUERY_FAILED', failureOf(error).message, { cause: error })
  return new PerdureError('INTERNAL', 'the server failed while it worked on this request')
}

/** RFC 9110, 15.5.2. */
function challenge(status: number): Readonly<Record<string, string>> {
  return status === 401 ? { 'www-authenticate': 'Bearer' } : {}
}

function retryAfter(error: PerdureError, status: number): Readonly<Record<string, string>> {
  const given = (error as { readonly retryAfterMs?: unknown }).retryAfterMs
  if (typeof given === 'number') return { 'retry-after': String(Math.max(1, Math.ceil(given / 1000))) }
  return status === 503 || status === 429 ? { 'retry-after': String(RETRY_SOON_S) } : {}
}

/** `EXECUTION_NOT_FOUND`: Execution not found. */
export function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`
}

/** Places in the files of a server are for its owner: they are in the history. */
function withoutStacks({ stack: _, cause, ...rest }: Failure): Failure {
  return cause === undefined ? rest : { ...rest, cause: withoutStacks(cause) }
}
