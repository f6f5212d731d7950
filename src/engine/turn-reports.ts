/** Takes what the code of executions asked for in a turn. */
import type { Logger } from '../platform/logger.ts'
import { isClosed } from '../protocol/execution-status.ts'
import type { Failure } from '../protocol/failure.ts'
import type { TurnReport } from '../protocol/worker-port.ts'
import type { WorkflowCommand } from '../protocol/workflow-command.ts'
import type { Committer } from './committer.ts'
import { executionFields } from './execution-fields.ts'
import type { LiveExecution } from './live-execution.ts'
import type { Transitions } from './transitions.ts'
import type { UpdateDesk } from './update-desk.ts'

export interface ReportingEngine {
  readonly options: { readonly logger: Logger }
  readonly committer: Committer
  readonly transitions: Transitions
  readonly updates: UpdateDesk
  codeIdle(execution: LiveExecution): void
  /** Ids are inputs of the kernel: new runs and tasks get theirs here. */
  withIds(command: WorkflowCommand): WorkflowCommand
}

export function takeReport(engine: ReportingEngine, report: TurnReport<LiveExecution>): void {
  const { transitions } = engine
  const execution = report.owner
  execution.isCodeIdle = report.idle
  if (report.parked !== undefined) {
    park(engine, execution, report.parked)
    return
  }
  if (execution.state.status === 'parked') transitions.apply(execution, { type: 'resume' })
  for (const command of report.commands) {
    transitions.apply(execution, { type: 'workflow', command: engine.withIds(command) })
  }
  execution.areSignalsKnown = true
  if (report.logs !== undefined) writeLogs(engine, execution, report.logs)
  if (isClosed(execution.state.status)) transitions.deactivate(execution)
  else if (execution.updateRequests !== undefined) engine.updates.tryAll(execution)
  transitions.finish(execution)
  if (execution.isCodeIdle) engine.codeIdle(execution)
}

function park({ options, transitions }: ReportingEngine, execution: LiveExecution, failure: Failure): void {
  options.logger.error('execution parked', {
    ...executionFields(execution.state),
    code: failure.code,
    reason: failure.message,
  })
  transitions.apply(execution, { type: 'park', failure })
  transitions.deactivate(execution)
  transitions.finish(execution)
}

/** Once what they derive from is committed. */
function writeLogs(
  { options, committer }: ReportingEngine,
  execution: LiveExecution,
  logs: NonNullable<TurnReport<LiveExecution>['logs']>,
): void {
  const about = executionFields(execution.state)
  committer.release(execution, (dropped) => {
    if (dropped !== undefined) return
    for (const { level, message, fields } of logs) options.logger[level](message, { ...about, ...fields })
  })
}
