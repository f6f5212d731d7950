/** `perdure/testing`: an engine for tests, replay of recorded histories, and the fleet that load balancers pick from. */
import { withoutWithdrawn } from './engine/live-table.ts'
import { PerdureError } from './protocol/errors.ts'
import type { SequencedEvent } from './protocol/event.ts'
import { errorOf } from './protocol/failure.ts'
import { isRunId } from './protocol/ids.ts'
import { DEFAULT_LIMITS } from './protocol/limits.ts'
import type { Workflow } from './sdk/definition.ts'
import { installDeterminismGuards } from './sdk/runtime/determinism-guards.ts'
import { keepFloatingRejections } from './sdk/runtime/floating-rejections.ts'
import { replayRun } from './sdk/testing/replay-run.ts'

export { createBalancer } from './core/balance/balancers.ts'
export { type FleetOptions, WorkerFleet, type WorkerSpec } from './core/balance/worker-fleet.ts'
export type { BalancerName, BalancerOptions } from './protocol/queue-settings.ts'
export { createTestEngine, type TestEngine } from './server/testing-engine.ts'
export type { TestEngineOptions } from './server/testing-options.ts'
export type { Fault } from './server/testing-store.ts'

export interface ReplayOptions {
  /** The run that made the history. Needed where the code uses `ctx.random()` or `ctx.uuid()`, which follow from it. */
  readonly runId?: string
}

const ANY_RUN = '00000000000000000000000000'

/**
 * Replays a history, such as `await execution.history()`, against the code. Throws `NONDETERMINISM` with the expected and
 * the actual operation and the place in the code, or the reason why the code could not be replayed.
 */
export async function replayHistory(
  workflow: Workflow,
  events: readonly SequencedEvent[],
  options: ReplayOptions = {},
): Promise<void> {
  const runId = options.runId ?? ANY_RUN
  if (!isRunId(runId)) throw new PerdureError('ID_INVALID', `'${runId}' is not a run id`)
  const first = events[0]?.event
  if (first?.type !== 'execution-started')
    throw new PerdureError('ARGUMENT_INVALID', 'a history begins with the event execution-started')
  const released = [installDeterminismGuards(), keepFloatingRejections()]
  try {
    const info = { key: first.key, runId, workflow: first.workflow, version: first.version }
    const history = withoutWithdrawn(events)
    const failure = await replayRun({ definition: workflow, info, history, limits: DEFAULT_LIMITS })
    if (failure !== undefined) throw errorOf(failure)
  } finally {
    for (const release of released) release()
  }
}
