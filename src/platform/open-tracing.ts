/** Tracing where it is on, of a setting. */
import { PerdureError } from '../protocol/errors.ts'
import { SEALED_MESSAGE } from '../protocol/failure.ts'
import type { Logger } from './logger.ts'
import type { Tracing } from './tracing.ts'

export interface TracingParts {
  readonly logger: Logger
  /** Payloads leave this process encrypted: spans say of errors what they are, and not their messages. */
  readonly codec?: object | undefined
}

/**
 * Spans by the providers that the program has registered with `@opentelemetry/api`, in this process. What makes them is loaded
 * where they are wanted.
 *
 * @param call whose setting it is
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export async function openTracing(
  setting: boolean | undefined,
  call: string,
  { logger, codec }: TracingParts,
): Promise<Tracing | undefined> {
  if (setting !== undefined && typeof setting !== 'boolean')
    throw new PerdureError('ARGUMENT_INVALID', `${call}: tracing is not true or false`)
  if (setting !== true) return undefined
  const { OpenTelemetry } = await import('./open-telemetry.ts')
  const tracing = new OpenTelemetry(logger)
  return codec === undefined ? tracing : withoutMessages(tracing)
}

/** Messages of errors may repeat payloads. */
function withoutMessages(tracing: Tracing): Tracing {
  return {
    untraced: tracing.untraced,
    start: (name, start) => {
      const span = tracing.start(name, start)
      return {
        get context() {
          return span.context
        },
        run: (call) => span.run(call),
        end: (failure, endMs) =>
          span.end(
            failure === undefined ? undefined : { name: failure.name, message: SEALED_MESSAGE },
            endMs,
          ),
      }
    },
  }
}
