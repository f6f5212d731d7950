/** Loads an execution anew, so that its code is replayed. */
import { PerdureError } from '../protocol/errors.ts'
import type { Committer } from './committer.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import type { Transitions } from './transitions.ts'
import type { UpdateDesk } from './update-desk.ts'

export interface ReloadingEngine {
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly updates: UpdateDesk
  codeIdle(execution: LiveExecution): void
  fail(error: unknown): void
}

/** Once all that is known of it is committed. Updates that wait go over to the new object, or are told that there is none. */
export function reloadExecution(engine: ReloadingEngine, execution: LiveExecution): void {
  const { committer, table, transitions, updates } = engine
  const { runId, key } = execution.state
  execution.isCodeIdle = false
  transitions.finish(execution)
  const drop = (): void =>
    updates.dropped(
      execution,
      new PerdureError('ENGINE_CLOSED', `the engine ended while execution ${key.workflowId} was read`),
    )
  const again = (dropped: Error | undefined): void => {
    if (dropped !== undefined || table.get(runId) !== execution) return
    if (!execution.isCommitted) {
      committer.release(execution, again)
      return
    }
    transitions.deactivate(execution)
    const reloaded = table.reload(execution)
    // Its code may have been gone before: who waits for it looks at the new object.
    engine.codeIdle(execution)
    reloaded.then(
      (loaded) => {
        if (loaded !== undefined) updates.handOver(execution, loaded)
        else drop()
      },
      (error) => engine.fail(error),
    )
  }
  committer.release(execution, again)
}
