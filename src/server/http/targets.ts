/** What a request is about. */
import type { ExecutionDescription, ExecutionSummary, ExecutionTarget } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { isRunId, type RunId } from '../../protocol/ids.ts'
import { parsedTraceContext, type TraceContext, traceField } from '../../protocol/trace-context.ts'
import type { RouteRequest } from './route.ts'

/** @throws PerdureError `ID_INVALID` */
export function runIdOf(text: string): RunId {
  if (isRunId(text)) return text
  throw new PerdureError('ID_INVALID', `'${text}' is not a run id`)
}

export function executionTarget(
  { namespace }: RouteRequest,
  id: string,
  runId: string | undefined,
): ExecutionTarget {
  const key = { namespace, workflowId: id }
  return runId === undefined ? { key } : { key, runId: runIdOf(runId) }
}

/** The address that work is balanced by, of a caller on another machine. */
export function clientOf({ caller: { address } }: RouteRequest): { readonly client?: string } {
  return address === undefined || address === '127.0.0.1' ? {} : { client: address }
}

/** Of the caller, by the headers of W3C Trace Context. */
export function traceOf({ headers }: RouteRequest): { readonly trace?: TraceContext } {
  return traceField(parsedTraceContext(headers.traceparent, headers.tracestate))
}

/** What the routes that start something say of these headers. */
export const TRACE_HEADERS = {
  traceparent:
    'W3C Trace Context: with tracing, what comes of the request belongs to this trace. Ill-formed, it is ignored.',
  tracestate: 'Goes with `traceparent`.',
} as const

export function shownExecution({ key, ...rest }: ExecutionSummary): object {
  return { namespace: key.namespace, id: key.workflowId, ...rest }
}

export function shownDescription({ key, ...rest }: ExecutionDescription): object {
  return { namespace: key.namespace, id: key.workflowId, ...rest }
}

/** Nobody waits for longer than this; undefined: it has not come by then. */
export async function within<T>(
  waitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), waitMs)
  try {
    return await call(AbortSignal.any([signal, late.signal]))
  } catch (error) {
    if (late.signal.aborted && error instanceof PerdureError && error.code === 'CANCELLED') return undefined
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** A call that has had its answer that it goes on is not asked for again for so long. */
const GOES_ON_MS = 60_000

/**
 * The same for a call that goes on for a while when the time is over: whoever asks again finds it further on. When the caller has gone
 * it is not awaited any longer.
 */
export async function answeredWithin<T>(
  waitMs: number,
  signal: AbortSignal,
  call: (awaited: AbortSignal) => Promise<T>,
): Promise<{ readonly answer: T } | undefined> {
  const { promise: late, resolve: stop } = Promise.withResolvers<undefined>()
  const withdrawn = new AbortController()
  const gone = (): void => {
    withdrawn.abort()
    stop(undefined)
  }
  const timer = setTimeout(() => stop(undefined), waitMs)
  signal.addEventListener('abort', gone)
  if (signal.aborted) gone()
  const answered = call(withdrawn.signal).then((answer) => ({ answer }))
  // Nobody may be there to hear of it.
  answered.catch(() => {})
  try {
    const found = await Promise.race([answered, late])
    if (found === undefined) {
      const last = setTimeout(() => withdrawn.abort(), GOES_ON_MS).unref()
      const forget = (): void => clearTimeout(last)
      answered.then(forget, forget)
    }
    return found
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', gone)
  }
}
