/** What becomes of executions when the workers that had their code leave, and when workers with code come. */
import { isClosed } from '../protocol/execution-status.ts'
import type { RunId } from '../protocol/ids.ts'
import type { ArrivedCode } from '../protocol/worker-port.ts'
import type { Store } from '../store/contract/store.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { type RecoveringEngine, roomInMemory } from './recovery.ts'
import type { Transitions } from './transitions.ts'

export interface CodeLosingEngine {
  readonly table: LiveTable
  readonly transitions: Transitions
  reload(execution: LiveExecution): void
}

export interface CodeFindingEngine extends CodeLosingEngine, RecoveringEngine {
  readonly options: { readonly store: Store }
  readonly ownership: Ownership
}

const PARKED_PAGE = 500

/** Those that wait for nothing but an event leave memory, and come back with it; others are read again at once. */
export function loseRuns(engine: CodeLosingEngine, executions: readonly LiveExecution[]): void {
  const { table, transitions } = engine
  for (const execution of executions) {
    const { runId, status } = execution.state
    if (table.get(runId) !== execution || isClosed(status)) continue
    if (execution.isIdle && execution.isCommitted) {
      transitions.deactivate(execution)
      table.remove(execution)
    } else engine.reload(execution)
  }
}

/**
 * Tries parked executions of this code: they go on if the code can replay them.
 *
 * @param isWanted false: the engine has started over, or ends
 */
export async function tryParked(
  engine: CodeFindingEngine,
  codes: readonly ArrivedCode[],
  isWanted: () => boolean,
): Promise<void> {
  const { table, ownership } = engine
  const { store } = engine.options
  for (const { namespace, workflow, version } of codes) {
    // Those whose parking is not committed yet are in memory alone.
    for (const execution of [...table.all()]) {
      const { key, status, workflow: own, version: ownVersion } = execution.state
      if (status !== 'parked' || execution.run !== undefined) continue
      if (own === workflow && ownVersion === version && key.namespace === namespace) engine.reload(execution)
    }
    let before: RunId | undefined
    for (;;) {
      const rows = await store.list({
        namespace,
        workflow,
        status: ['parked'],
        limit: PARKED_PAGE,
        ...(before === undefined ? {} : { before }),
      })
      if (!isWanted()) return
      const found = rows.filter((row) => row.version === version && ownership.owns(row.shard))
      await Promise.all(found.map(({ runId }) => table.load(runId)))
      before = rows.at(-1)?.runId
      if (rows.length < PARKED_PAGE) break
      await roomInMemory(engine, isWanted)
    }
  }
}
