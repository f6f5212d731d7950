/**
 * Spans, as the rest of Perdure sees them: what makes them is `open-telemetry.ts`, which is loaded only where tracing is on.
 * Where it is off there is no `Tracing`, and nothing is paid but the look whether there is one.
 *
 * 1. Whatever makes and exports spans may throw: that never touches the work that they are about. It is caught, and logged once.
 * 2. Payloads never go into spans.
 */
import type { Failure } from '../protocol/failure.ts'
import type { RunId, WorkflowKey } from '../protocol/ids.ts'
import type { TraceContext } from '../protocol/trace-context.ts'

export type SpanAttributes = { readonly [name: `perdure.${string}`]: string | number | boolean }

export interface SpanStart {
  readonly kind: 'internal' | 'producer' | 'consumer' | 'client'
  /** `active`: the span that is active where it is started, if any. Undefined: none, it is the root of a trace. */
  readonly parent: TraceContext | 'active' | undefined
  readonly attributes: SpanAttributes
  /** ms since 1970. Default: now. */
  readonly startMs?: number
}

/** What of a failure a span may say. */
export type SpanFailure = Pick<Failure, 'name' | 'message' | 'stack'>

export interface Span {
  /** For what derives from it. Undefined: there is no trace, such as where no SDK is registered. */
  readonly context: TraceContext | undefined
  /** Calls it with this span active: spans that other libraries make in it are children of this one. */
  run<T>(call: () => T): T
  /** The first end counts. */
  end(failure?: SpanFailure, endMs?: number): void
}

export interface Tracing {
  start(name: string, start: SpanStart): Span
  /** Of all that is in no trace: no span is active in it, whatever has woken this process. */
  readonly untraced: Span
}

/** Ends the span with the call. */
export async function withSpan<T>(span: Span, call: () => Promise<T>): Promise<T> {
  try {
    const value = await call()
    span.end()
    return value
  } catch (error) {
    span.end(spanFailureOf(error))
    throw error
  }
}

function spanFailureOf(error: unknown): SpanFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack } = error
  return stack === undefined ? { name, message } : { name, message, stack }
}

/** Of all spans that are about a run. */
export function runAttributes({
  key,
  runId,
  workflow,
}: {
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly workflow: string
}): SpanAttributes {
  return {
    'perdure.namespace': key.namespace,
    'perdure.workflow.id': key.workflowId,
    'perdure.run.id': runId,
    'perdure.workflow.name': workflow,
  }
}
