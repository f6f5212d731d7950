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

/** The same for a call that goes on when nobody waits any more. */
export async function answeredWithin<T>(
  waitMs: number,
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<{ readonly answer: T } | undefined> {
  let stop = (): void => {}
  const late = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
  })
  const timer = setTimeout(stop, waitMs)
  signal.addEventListener('abort', stop)
  const answered = call().then((answer) => ({ answer }))
  // Nobody may be there to hear of it.
  answered.catch(() => {})
  try {
    return await Promise.race([answered, late])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
