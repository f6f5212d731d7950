/**
 * Starts of executions.
 *
 * 1. One id has one open run: what is found of an id is looked at, and answered, in one turn.
 * 2. Starts that come together look up their ids together.
 */
import { currentCall, type TrackedCall } from '../platform/call-context.ts'
import type { StartReply, StartRequest } from '../protocol/client-port.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { ExecutionStarted } from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { keyText, type RunId } from '../protocol/ids.ts'
import { repeatOf } from '../protocol/request-mark.ts'
import { traceField } from '../protocol/trace-context.ts'
import type { Engine } from './engine.ts'
import { loadRun } from './execution-access.ts'
import type { LiveExecution } from './live-execution.ts'

interface PendingStart {
  readonly request: StartRequest
  /** The text of its key. */
  readonly text: string
  /** That it belongs to, if calls are recorded. */
  readonly call: TrackedCall | undefined
  readonly resolve: (reply: StartReply) => void
  readonly reject: (error: unknown) => void
}

export class Starts {
  readonly #engine: Engine
  #pending: PendingStart[] = []

  constructor(engine: Engine) {
    this.#engine = engine
  }

  start(request: StartRequest): Promise<StartReply> {
    return new Promise((resolve, reject) => {
      this.#engine.assertIntake()
      this.#engine.ownership.assertRunsOf(request.key)
      // Starts that come together go on as one of them: each keeps its own call.
      const call = this.#engine.audit === undefined ? undefined : currentCall()
      this.#pending.push({ request, text: keyText(request.key), call, resolve, reject })
      if (this.#pending.length > 1) return
      this.#soon(() => {
        const starts = this.#pending
        this.#pending = []
        this.#startAll(starts).catch((error) => {
          for (const each of starts) each.reject(error)
        })
      })
    })
  }

  /** While a batch commits, those of one turn of the loop come together: nothing of them could be committed sooner anyway. */
  #soon(begin: () => void): void {
    const { committer, clock } = this.#engine
    if (committer.isCommitting) clock.defer(begin)
    else queueMicrotask(begin)
  }

  async #startAll(starts: readonly PendingStart[]): Promise<void> {
    const wanted = starts.map(({ request, text }) => ({ key: request.key, text }))
    await this.#engine.table.withCurrentRuns(wanted, (runIdAt) => {
      for (let i = 0; i < starts.length; i++) {
        const start = starts[i]
        if (start === undefined) continue
        // An earlier one of this group may have started it.
        const runId = runIdAt(i)
        if (runId === undefined) this.#startNew(start)
        else this.#meet(start, runId).catch(start.reject)
      }
    })
  }

  #startNew({ request, call, resolve, reject }: PendingStart, replaced?: LiveExecution): void {
    try {
      this.#engine.assertIntake()
      this.#engine.ownership.assertRunsOf(request.key)
      const { clock, transitions, committer, options } = this.#engine
      const { key, workflow, version, input, delayMs, timeoutMs, attributes, client, signal, mark, trace } =
        request
      const now = clock.nowMs()
      const notBefore = delayMs === undefined ? undefined : now + delayMs
      let started: Omit<ExecutionStarted, 'at' | 'type'> = { key, workflow, version, input }
      if (notBefore !== undefined) started = { ...started, notBefore }
      if (timeoutMs !== undefined)
        started = { ...started, timeoutMs, deadlineAt: (notBefore ?? now) + timeoutMs }
      if (attributes !== undefined) started = { ...started, attributes }
      if (client !== undefined) started = { ...started, client }
      if (mark !== undefined) started = { ...started, mark }
      if (options.tracing !== undefined) started = { ...started, ...traceField(trace) }
      const runId = request.runId ?? this.#engine.newRunId()
      const signals =
        signal === undefined
          ? undefined
          : [{ name: signal.name, payload: signal.payload, requestId: signal.requestId }]
      // First: the start itself may seal the batch.
      this.#engine.audit?.changed(call, runId)
      const execution = transitions.start(runId, started, signals)
      if (replaced !== undefined) committer.batchFor(execution).links.push([replaced.state.runId, runId])
      committer.release(execution, (dropped) =>
        dropped === undefined ? resolve({ runId, started: true }) : reject(dropped),
      )
    } catch (error) {
      reject(error)
    }
  }

  /** The id has a run. */
  async #meet(start: PendingStart, found: RunId): Promise<void> {
    const { request, text, resolve, reject } = start
    const { table } = this.#engine
    if (request.runId === found) {
      // Asked before: only the answer was lost.
      const live = table.get(found)
      if (live === undefined) resolve({ runId: found, started: true })
      else this.#answer(live, () => resolve({ runId: found, started: true }), reject)
      return
    }
    if (request.mark !== undefined && (await this.#repeated(start, found))) return
    if (request.onConflict === 'use-existing' && request.signal === undefined) {
      const live = table.get(found)
      if (live === undefined) resolve({ runId: found, started: false })
      else this.#answer(live, () => resolve({ runId: found, started: false }), reject)
      return
    }
    const before = request.runId === undefined ? undefined : await table.load(request.runId)
    if (before !== undefined) {
      // Asked before, and replaced since.
      this.#answer(before, () => resolve({ runId: before.state.runId, started: true }), reject)
      return
    }
    let runId: RunId | undefined = found
    while (runId !== undefined) {
      const execution = await loadRun(this.#engine, request.key, runId)
      runId = await table.withCurrentRuns([{ key: request.key, text }], (runIdAt) => {
        const newest = runIdAt(0)
        // It was replaced, or has left memory, while it was read.
        if (newest !== undefined && (newest !== execution.state.runId || table.get(newest) !== execution))
          return newest
        if (newest === undefined) this.#startNew(start)
        else this.#settle(start, execution)
        return undefined
      })
    }
  }

  /** Answers a request whose key has started this run, or one before it that goes on in it; false: it has not. */
  async #repeated({ request, resolve, reject }: PendingStart, found: RunId): Promise<boolean> {
    const execution = await loadRun(this.#engine, request.key, found)
    const { mark, key } = execution.state
    const repeat = repeatOf(request.mark, mark)
    if (repeat === 'other') return false
    const detail = `execution ${key.workflowId} was started by another request with the same idempotency key`
    const answer = (): void =>
      repeat === 'same'
        ? resolve({ runId: mark?.runId ?? found, started: true })
        : reject(new PerdureError('IDEMPOTENCY_CONFLICT', detail))
    this.#answer(execution, answer, reject)
    return true
  }

  /** `execution` is the newest run of the id, and in memory. */
  #settle(start: PendingStart, execution: LiveExecution): void {
    const { request, resolve, reject } = start
    const { onConflict, signal, key } = request
    const { state } = execution
    const existing = (): void => resolve({ runId: state.runId, started: false })
    // This very call was made before, and only its answer was lost.
    if (signal?.requestId !== undefined && state.requestIds?.has(signal.requestId) === true) {
      this.#answer(execution, existing, reject)
      return
    }
    const isOpen = !isClosed(state.status)
    if (onConflict === 'fail' && (isOpen || signal === undefined)) {
      const detail = `execution ${key.workflowId} exists and is ${state.status}`
      const error = new PerdureError('EXECUTION_EXISTS', detail)
      this.#answer(execution, () => reject(error), reject)
    } else if (!isOpen) this.#startNew(start)
    else if (onConflict === 'terminate-existing') {
      // Before anything is changed: a refusal must leave the old run as it is.
      this.#engine.assertIntake()
      this.#replace(start, execution)
    } else this.#signal(start, execution, existing)
  }

  /** Old and new run share a commit. */
  #replace(start: PendingStart, execution: LiveExecution): void {
    const { committer, transitions } = this.#engine
    committer.together(() => {
      transitions.apply(execution, { type: 'terminate', reason: 'replaced by a new start of the same id' })
      transitions.finish(execution)
      this.#startNew(start, execution)
    })
    committer.touch()
  }

  #signal(
    { request: { signal }, call, reject }: PendingStart,
    execution: LiveExecution,
    resolve: () => void,
  ): void {
    const { transitions, audit } = this.#engine
    const { seq, runId } = execution.state
    const rejected =
      signal === undefined
        ? undefined
        : transitions.apply(execution, { type: 'signal', ...signal, requestId: signal.requestId })
    if (execution.state.seq > seq) audit?.changed(call, runId)
    transitions.finish(execution)
    const refused = rejected === undefined ? undefined : new PerdureError(rejected.code, rejected.detail)
    this.#answer(execution, () => (refused === undefined ? resolve() : reject(refused)), reject)
  }

  #answer(execution: LiveExecution, resolve: () => void, reject: (error: unknown) => void): void {
    this.#engine.committer.release(execution, (dropped) =>
      dropped === undefined ? resolve() : reject(dropped),
    )
  }
}
