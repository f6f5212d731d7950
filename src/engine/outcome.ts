/** What a client is told of the end of a run. */
import { outcomeOf } from '../core/execution/closing.ts'
import type { Outcome } from '../protocol/client-port.ts'
import type { TerminalEvent } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'

export function outcomeFrom(
  event: Exclude<TerminalEvent, { type: 'execution-continued' }>,
  runId: RunId,
): Outcome {
  if (event.type === 'execution-completed') return { status: 'completed', result: event.result }
  const outcome = outcomeOf(event)
  if (outcome === undefined || outcome.ok)
    throw new Error(`invariant: run ${runId} ended with ${event.type} and has no failure`)
  return { status: STATUS_OF[event.type], failure: outcome.failure }
}

const STATUS_OF = {
  'execution-failed': 'failed',
  'execution-cancelled': 'cancelled',
  'execution-terminated': 'terminated',
  'execution-timed-out': 'timed-out',
} as const
