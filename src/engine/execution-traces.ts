/**
 * Spans of executions: of their start, where nobody who asked for it has made one, and of the whole of them.
 *
 * 1. What an execution has in its trace is a child of its start, whose context is in the journal. A span gets its id when it
 *    begins and can be ended by that process alone: one that lasted as long as the execution would be lost with its node, and with
 *    it the place of all that is below it. So the span of the whole execution is made when it has ended, beside the others.
 * 2. Each is ended after the commit of what it tells of, by the engine whose commit it was: what was dropped has no span, and a
 *    fenced owner makes none.
 */
import { failureOfTerminal } from '../core/execution/closing.ts'
import { runAttributes, type Span, type Tracing } from '../platform/tracing.ts'
import type { ExecutionStarted } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Committer } from './committer.ts'
import type { LiveExecution } from './live-execution.ts'

export class ExecutionTraces {
  readonly #tracing: Tracing
  readonly #committer: Committer

  constructor(tracing: Tracing, committer: Committer) {
    this.#tracing = tracing
    this.#committer = committer
  }

  /** A run is about to start. Undefined: its place in a trace is that of what asks for it, or of the run that it continues. */
  begin(
    runId: RunId,
    { key, workflow, trace, parent, continuedFrom }: Omit<ExecutionStarted, 'at' | 'type'>,
  ): Span | undefined {
    if (continuedFrom !== undefined || (trace !== undefined && parent === undefined)) return undefined
    const attributes = runAttributes({ key, runId, workflow })
    return this.#tracing.start(`start ${workflow}`, { kind: 'producer', parent: trace, attributes })
  }

  /** The start is in the open batch. */
  begun(execution: LiveExecution, span: Span): void {
    this.#committer.release(execution, (dropped) => {
      if (dropped === undefined) span.end()
    })
  }

  /** The end is in the open batch. */
  ended(execution: LiveExecution): void {
    const { state } = execution
    const { trace, terminal, startedAt: startMs, key, runId, workflow, status } = state
    if (trace === undefined || terminal === undefined) return
    this.#committer.release(execution, (dropped) => {
      if (dropped !== undefined) return
      const attributes = { ...runAttributes({ key, runId, workflow }), 'perdure.workflow.status': status }
      const about = { kind: 'internal', parent: trace, attributes, startMs } as const
      const hasFailed = terminal.type === 'execution-failed' || terminal.type === 'execution-timed-out'
      this.#tracing
        .start(`workflow ${workflow}`, about)
        .end(hasFailed ? failureOfTerminal(terminal) : undefined, Math.max(startMs, terminal.at))
    })
  }
}
