/** What records of the log say of the execution that they are about. */
import type { ExecutionState } from '../core/execution/state.ts'
import type { LogFields } from '../platform/logger.ts'
import { traceFields } from '../protocol/trace-context.ts'

export function executionFields({
  key: { namespace, workflowId },
  runId,
  trace,
}: Pick<ExecutionState, 'key' | 'runId' | 'trace'>): LogFields {
  return { namespace, workflowId, runId, ...traceFields(trace) }
}
