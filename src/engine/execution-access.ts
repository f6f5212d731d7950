/** How calls get at executions: by id or run id, within their namespace, from memory or from the store. */
import type { Rejection } from '../core/execution/decision.ts'
import { currentCall } from '../platform/call-context.ts'
import type { ExecutionTarget } from '../protocol/client-port.ts'
import { type ErrorCode, PerdureError } from '../protocol/errors.ts'
import { isClosed } from '../protocol/execution-status.ts'
import type { RunId, WorkflowKey } from '../protocol/ids.ts'
import { noExecution } from '../protocol/missing.ts'
import type { Engine } from './engine.ts'
import type { LiveExecution } from './live-execution.ts'

export class ExecutionAccess {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async change(
    target: ExecutionTarget,
    apply: (execution: LiveExecution) => Rejection | undefined,
    finish = (execution: LiveExecution): void => this.#engine.transitions.finish(execution),
  ): Promise<void> {
    const { audit } = this.#engine
    const call = audit === undefined ? undefined : currentCall()
    await this.with(target, async (execution) => {
      const { seq, runId } = execution.state
      const rejected = apply(execution)
      // Before the batch with the change may be sealed.
      if (call !== undefined && execution.state.seq > seq) audit?.changed(call, runId)
      if (rejected === undefined) finish(execution)
      // What a refusal says must be durable as well.
      await this.durable(execution)
      if (rejected !== undefined) throw new PerdureError(rejected.code as ErrorCode, rejected.detail)
    })
  }

  /** Calls `use` in the turn in which the execution is known to be in memory. */
  async with<T>(target: ExecutionTarget, use: (execution: LiveExecution) => T): Promise<Awaited<T>> {
    for (;;) {
      this.#engine.ownership.assertRunsOf(target.key)
      const execution = await this.#target(target)
      // It may have been evicted, or loaded anew, since it was found.
      if (this.#engine.table.get(execution.state.runId) === execution) return await use(execution)
    }
  }

  async #target(target: ExecutionTarget): Promise<LiveExecution> {
    this.#engine.assertOpen()
    const { key, runId } = target
    const live = runId === undefined ? this.#engine.table.current(key) : this.#engine.table.get(runId)
    if (live !== undefined && isSame(live.state.key, key)) return live
    return loadRun(this.#engine, target.key, await this.runOf(target))
  }

  async runOf(target: ExecutionTarget): Promise<RunId> {
    if (target.runId !== undefined) {
      const live = this.#engine.table.get(target.runId)
      const [row] = live === undefined ? await this.#engine.options.store.executions([target.runId]) : []
      const key = live?.state.key ?? row?.key
      // A run id alone gives no access to another id's or namespace's run.
      if (key === undefined || !isSame(key, target.key)) throw notFound(target)
      return target.runId
    }
    const runId =
      this.#engine.table.current(target.key)?.state.runId ??
      (await this.#engine.table.currentRuns([target.key]))[0]
    if (runId === undefined) throw notFound(target)
    return runId
  }

  durable(execution: LiveExecution): Promise<void> {
    return new Promise((resolve, reject) => this.#answer(execution, resolve, reject))
  }

  #answer(execution: LiveExecution, resolve: () => void, reject: (error: Error) => void): void {
    this.#engine.committer.release(execution, (dropped) =>
      dropped === undefined ? resolve() : reject(dropped),
    )
  }

  unpin(execution: LiveExecution): void {
    execution.pins -= 1
    this.#engine.table.refresh(execution)
    this.#engine.table.trim()
    if (isClosed(execution.state.status) && execution.isCommitted) this.#engine.table.remove(execution)
  }
}

/** A run that is known to be there. */
export async function loadRun(engine: Engine, key: WorkflowKey, runId: RunId): Promise<LiveExecution> {
  const { ownership, table } = engine
  // Its shard may have gone by now, and come back while the run is read.
  ownership.assertRunsOf(key)
  const { losses } = ownership
  const execution = await table.load(runId)
  engine.assertOpen()
  ownership.assertRunsOf(key)
  if (execution === undefined) ownership.assertSince(losses)
  if (execution === undefined) throw new PerdureError('EXECUTION_NOT_FOUND', `there is no run ${runId}`)
  return execution
}

export function pinned(execution: LiveExecution): LiveExecution {
  execution.pins += 1
  return execution
}

export function isSame(a: WorkflowKey, b: WorkflowKey): boolean {
  return a === b || (a.workflowId === b.workflowId && a.namespace === b.namespace)
}

export function notFound(target: ExecutionTarget): PerdureError {
  return noExecution(target.key)
}
