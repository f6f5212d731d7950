/** Queries of a run: answered at once, by handlers that only read. */
import { PerdureError } from '../../protocol/errors.ts'
import { failureOf, platformFailure } from '../../protocol/failure.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type { CallResult } from '../../protocol/worker-port.ts'

/** What answering needs of the run. */
export interface QueriedRun {
  /** Runs code that may only read. */
  read<T>(call: () => T): T
  encode(value: unknown): Payload
}

export type QueryHandlers = ReadonlyMap<string, (input: unknown) => unknown>

export function answerQuery(
  run: QueriedRun,
  handlers: QueryHandlers | undefined,
  name: string,
  input: Payload,
): CallResult {
  const answer = handlers?.get(name)
  if (answer === undefined) {
    const known = [...(handlers?.keys() ?? [])].join(', ')
    const message = `no query '${name}'; there are: ${known === '' ? 'none' : known}`
    return { ok: false, failure: platformFailure('QUERY_UNKNOWN', message) }
  }
  try {
    const result = run.read(() => answer(decodePayload(input)))
    if (result instanceof Promise) {
      result.catch(() => {})
      throw new PerdureError(
        'QUERY_FAILED',
        `the handler of query '${name}' returned a promise; it must answer at once`,
      )
    }
    return { ok: true, result: run.encode(result) }
  } catch (error) {
    const failure = platformFailure('QUERY_FAILED', `query '${name}' failed`, failureOf(error))
    return { ok: false, failure }
  }
}
