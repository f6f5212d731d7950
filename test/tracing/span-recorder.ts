/** The OpenTelemetry SDK of a test: what it would export is kept. One for a process. */
import { context, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'

export interface RecordedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly hasFailed: boolean
  /** Of its exceptions. */
  readonly exceptions: readonly string[]
}

const exporter = new InMemorySpanExporter()

/** Registers the SDK with the API. */
export function recordSpans(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
}

/** Those that have ended since this was asked last. */
export function takeSpans(): readonly RecordedSpan[] {
  const spans = exporter.getFinishedSpans().map(recorded)
  exporter.reset()
  return spans
}

/** A span of the program itself, which is active in the call. */
export function inSpan<T>(name: string, call: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer('test').startActiveSpan(name, async (span) => {
    try {
      return await call(span)
    } finally {
      span.end()
    }
  })
}

function recorded(span: ReadableSpan): RecordedSpan {
  const { traceId, spanId } = span.spanContext()
  return {
    name: span.name,
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    attributes: span.attributes,
    hasFailed: span.status.code === SpanStatusCode.ERROR,
    exceptions: span.events
      .filter(({ name }) => name === 'exception')
      .map(({ attributes }) => `${attributes?.['exception.type']}: ${attributes?.['exception.message']}`),
  }
}

/** Each with what it is below, such as `step pay < start order`; sorted. */
export function treeOf(spans: readonly RecordedSpan[]): readonly string[] {
  const names = new Map(spans.map(({ spanId, name }) => [spanId, name]))
  return spans
    .map(({ name, parentSpanId }) =>
      parentSpanId === undefined ? name : `${name} < ${names.get(parentSpanId) ?? 'unknown'}`,
    )
    .sort()
}
