/** The OpenTelemetry SDK of a benchmark: it makes spans, and exports none. */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'

/** `api`: nobody has registered an SDK. `sampled`: one trace in a hundred is recorded. `recorded`: all of them. */
export type TracingKind = 'api' | 'sampled' | 'recorded'

const SAMPLED_SHARE = 0.01

export function registerSdk(kind: TracingKind): void {
  if (kind === 'api') return
  const root = kind === 'recorded' ? new AlwaysOnSampler() : new TraceIdRatioBasedSampler(SAMPLED_SHARE)
  const nowhere: SpanProcessor = {
    onStart: () => {},
    onEnd: () => {},
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ sampler: new ParentBasedSampler({ root }), spanProcessors: [nowhere] }),
  )
}
