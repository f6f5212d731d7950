/** What follows for executions when a batch with changes of them is durable. */
import type { TerminalEvent } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import type { ExecutionMetrics } from './metrics/execution-metrics.ts'
import type { OpenBatch } from './open-batch.ts'
import type { Waiters } from './waiters.ts'

export interface CommittingEngine {
  readonly options: { readonly metrics?: { readonly executions: ExecutionMetrics } | undefined }
  readonly watchers: Waiters<RunId, TerminalEvent>
  readonly ends: Waiters<RunId, TerminalEvent>
  readonly table: LiveTable
  readonly schedules: { ended(execution: LiveExecution): void }
}

export function committedExecutions(
  { options, watchers, ends, table, schedules }: CommittingEngine,
  batch: OpenBatch<LiveExecution>,
): void {
  const { metrics } = options
  if (watchers.size > 0) for (const { runId } of batch.builder.writes()) watchers.tell(runId, undefined)
  for (const execution of batch.executions) {
    if (!execution.isCommitted) continue
    // What was written is not kept alive by who wrote it.
    execution.forgetBatch()
    metrics?.executions.committed(execution)
    const { terminal, runId } = execution.state
    if (terminal === undefined) continue
    ends.tell(runId, terminal)
    schedules.ended(execution)
    if (execution.pins === 0) table.remove(execution)
  }
  table.trim()
}
