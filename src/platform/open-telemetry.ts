/** Spans by `@opentelemetry/api`: of the provider and the context manager that the program has registered there, if any. */
import {
  type Context,
  context as contexts,
  createTraceState,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traces,
} from '@opentelemetry/api'
import type { TraceContext } from '../protocol/trace-context.ts'
import type { Logger } from './logger.ts'
import { redactedText } from './redaction.ts'
import type { Span, SpanFailure, SpanStart, Tracing } from './tracing.ts'

const KINDS = {
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  client: SpanKind.CLIENT,
} as const satisfies Record<SpanStart['kind'], SpanKind>

/** Where the provider has failed. */
const NO_SPAN: Span = { context: undefined, run: (call) => call(), end: () => {} }

/** Calls the provider; what it throws is logged once, and undefined is answered. */
type Guard = <T>(call: () => T) => T | undefined

export class OpenTelemetry implements Tracing {
  readonly untraced: Span
  readonly #tracer: Tracer
  readonly #guard: Guard
  /** All steps of a run have one parent, which is the same object. */
  readonly #parents = new WeakMap<TraceContext, Context>()

  constructor(logger: Logger) {
    let isTold = false
    this.#guard = (call) => {
      try {
        return call()
      } catch (error) {
        if (!isTold) {
          isTold = true
          logger.warn('the tracing of this program has failed; what it is about goes on', { error })
        }
        return undefined
      }
    }
    this.untraced = {
      context: undefined,
      run: (call) => calledIn(ROOT_CONTEXT, call, this.#guard),
      end: () => {},
    }
    // One that asks whatever provider is registered, also later.
    this.#tracer = traces.getTracer('perdure')
  }

  start(name: string, { kind, parent, attributes, startMs }: SpanStart): Span {
    const span = this.#guard(() => {
      if (typeof parent === 'object' && !isSampled(parent)) return new UnsampledSpan(parent, this.#guard)
      const above = this.#contextOf(parent)
      const startTime = startMs === undefined ? {} : { startTime: new Date(startMs) }
      const started = this.#tracer.startSpan(name, { kind: KINDS[kind], attributes, ...startTime }, above)
      return new GuardedSpan(started, parent === 'active' ? above : ROOT_CONTEXT, this.#guard)
    })
    return span ?? NO_SPAN
  }

  #contextOf(parent: SpanStart['parent']): Context {
    if (parent === 'active') return contexts.active()
    if (parent === undefined) return ROOT_CONTEXT
    let known = this.#parents.get(parent)
    if (known === undefined) {
      known = traces.setSpanContext(ROOT_CONTEXT, spanContextOf(parent))
      this.#parents.set(parent, known)
    }
    return known
  }
}

/** Calls it once with this context active, also where the context manager throws, before the call or after it. */
function calledIn<T>(context: Context, call: () => T, guard: Guard): T {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  const kept = (): void => {
    try {
      outcome = { value: call() }
    } catch (error) {
      outcome = { error }
    }
  }
  guard(() => contexts.with(context, kept))
  if (outcome === undefined) return call()
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

/**
 * Of a trace that is not recorded: it has no id of its own, and what other libraries make in it is not recorded either. Most steps
 * ask for no context, so this is made only when somebody does.
 */
class UnsampledSpan implements Span, Context {
  readonly context: TraceContext
  readonly #guard: Guard
  #made: Context | undefined

  constructor(context: TraceContext, guard: Guard) {
    this.context = context
    this.#guard = guard
  }

  run<T>(call: () => T): T {
    return calledIn(this, call, this.#guard)
  }

  end(): void {}

  getValue(key: symbol): unknown {
    return this.#context.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#context.setValue(key, value)
  }

  deleteValue(key: symbol): Context {
    return this.#context.deleteValue(key)
  }

  get #context(): Context {
    this.#made ??= traces.setSpanContext(ROOT_CONTEXT, spanContextOf(this.context))
    return this.#made
  }
}

class GuardedSpan implements Span {
  readonly #span: OtelSpan
  readonly #base: Context
  readonly #guard: Guard
  #isEnded = false

  constructor(span: OtelSpan, base: Context, guard: Guard) {
    this.#span = span
    this.#base = base
    this.#guard = guard
  }

  get context(): TraceContext | undefined {
    return this.#guard(() => traceContextOf(this.#span.spanContext()))
  }

  run<T>(call: () => T): T {
    return calledIn(traces.setSpan(this.#base, this.#span), call, this.#guard)
  }

  end(failure?: SpanFailure, endMs?: number): void {
    if (this.#isEnded) return
    this.#isEnded = true
    // A failure that cannot be told of must not keep the span open.
    if (failure !== undefined) this.#guard(() => this.#tell(failure))
    this.#guard(() => {
      if (endMs === undefined) this.#span.end()
      else this.#span.end(new Date(endMs))
    })
  }

  #tell({ name, message: text, stack }: SpanFailure): void {
    const message = redactedText(text)
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message })
    this.#span.recordException(
      stack === undefined ? { name, message } : { name, message, stack: redactedText(stack) },
    )
  }
}

/** The lowest bit of the flags. */
function isSampled({ traceparent }: TraceContext): boolean {
  return (Number.parseInt(traceparent.slice(54), 16) & 1) === 1
}

function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext {
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53), 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  }
}

const TRACE_ID = /^(?!0+$)[0-9a-f]{32}$/
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/
const TRACESTATE_MOST = 512

function traceContextOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext | undefined {
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return undefined
  const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 3).toString(16).padStart(2, '0')}`
  const tracestate = traceState?.serialize() ?? ''
  return tracestate === '' || tracestate.length > TRACESTATE_MOST
    ? { traceparent }
    : { traceparent, tracestate }
}
