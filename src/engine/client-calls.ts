/**
 * The calls of clients, on the engine: every answer waits for the commit of what it says.
 */

import type { Rejection } from '../core/execution/decision.ts'
import type {
  ClientPort,
  ExecutionDescription,
  ExecutionTarget,
  ListPage,
  ListQuery,
  Outcome,
  StartReply,
  StartRequest,
} from '../protocol/client-port.ts'
import { type ErrorCode, PerdureError } from '../protocol/errors.ts'
import {
  type Event,
  type ExecutionStarted,
  isTerminal,
  type SequencedEvent,
  type TerminalEvent,
} from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { errorOf } from '../protocol/failure.ts'
import { isRunId, keyText, type RunId, type WorkflowKey } from '../protocol/ids.ts'
import type { Payload } from '../protocol/payload.ts'
import type { ExecutionRow, JournalEntry } from '../store/contract/rows.ts'
import { descriptionOf, summaryOf } from './description.ts'
import type { Engine } from './engine.ts'
import type { LiveExecution } from './live-execution.ts'
import { outcomeFrom } from './outcome.ts'

const LIST_LIMIT = 1000
const LIST_DEFAULT = 100
const HISTORY_LIMIT = 10_000

interface PendingStart {
  readonly request: StartRequest
  /** The text of its key. */
  readonly text: string
  readonly resolve: (reply: StartReply) => void
  readonly reject: (error: unknown) => void
}

export class ClientCalls implements ClientPort {
  readonly #engine: Engine
  #starts: PendingStart[] = []

  constructor(engine: Engine) {
    this.#engine = engine
  }

  newRequestId(): string {
    return this.#engine.newRunId()
  }

  /** Starts that come together look up their ids together. */
  start(request: StartRequest): Promise<StartReply> {
    return new Promise((resolve, reject) => {
      this.#engine.assertIntake()
      this.#starts.push({ request, text: keyText(request.key), resolve, reject })
      if (this.#starts.length > 1) return
      queueMicrotask(() => {
        const starts = this.#starts
        this.#starts = []
        this.#startAll(starts).catch((error) => {
          for (const each of starts) each.reject(error)
        })
      })
    })
  }

  async #startAll(starts: readonly PendingStart[]): Promise<void> {
    const wanted = starts.map(({ request, text }) => ({ key: request.key, text }))
    await this.#engine.table.withCurrentRuns(wanted, (runIdOf) => {
      for (const start of starts) {
        // An earlier one of this group may have started it.
        const runId = runIdOf(start.text)
        if (runId === undefined) this.#startNew(start)
        else this.#startOver(start, runId).catch(start.reject)
      }
    })
  }

  #startNew({ request, resolve, reject }: PendingStart): void {
    try {
      this.#engine.assertIntake()
      const { clock, transitions, committer } = this.#engine
      const { key, workflow, version, input, delayMs, timeoutMs, attributes, signal } = request
      const now = clock.nowMs()
      const notBefore = delayMs === undefined ? undefined : now + delayMs
      const started: Omit<ExecutionStarted, 'at' | 'type'> = {
        key,
        workflow,
        version,
        input,
        ...(notBefore === undefined ? {} : { notBefore }),
        ...(timeoutMs === undefined ? {} : { timeoutMs, deadlineAt: (notBefore ?? now) + timeoutMs }),
        ...(attributes === undefined ? {} : { attributes }),
      }
      const runId = this.#engine.newRunId()
      const signals =
        signal === undefined
          ? undefined
          : [{ name: signal.name, payload: signal.payload, requestId: signal.requestId }]
      const execution = transitions.start(runId, started, signals)
      committer.release(execution, (dropped) =>
        dropped === undefined ? resolve({ runId, started: true }) : reject(dropped),
      )
    } catch (error) {
      reject(error)
    }
  }

  async #startOver(start: PendingStart, runId: RunId): Promise<void> {
    const { request, resolve, reject } = start
    const { onConflict, signal, key } = request
    if (onConflict === 'use-existing' && signal === undefined) {
      const live = this.#engine.table.get(runId)
      if (live === undefined) resolve({ runId, started: false })
      else this.#answer(live, () => resolve({ runId, started: false }), reject)
      return
    }
    const execution = await this.#load(runId)
    // This very call was made before, and only its answer was lost.
    if (signal?.requestId !== undefined && execution.state.requestIds?.has(signal.requestId) === true) {
      this.#answer(execution, () => resolve({ runId, started: false }), reject)
      return
    }
    const isOpen = !isClosed(execution.state.status)
    if (onConflict === 'fail' && (isOpen || signal === undefined)) {
      throw new PerdureError(
        'EXECUTION_EXISTS',
        `execution ${key.workflowId} exists and is ${execution.state.status}`,
      )
    }
    if (!isOpen) {
      this.#startNew(start)
      return
    }
    const { transitions } = this.#engine
    if (onConflict === 'terminate-existing') {
      transitions.apply(execution, { type: 'terminate', reason: 'replaced by a new start of the same id' })
      transitions.deactivate(execution)
      transitions.finish(execution)
      this.#startNew(start)
      return
    }
    if (signal !== undefined)
      this.#assertDone(
        transitions.apply(execution, { type: 'signal', ...signal, requestId: signal.requestId }),
      )
    transitions.finish(execution)
    this.#answer(execution, () => resolve({ runId, started: false }), reject)
  }

  async signal(target: ExecutionTarget, name: string, payload: Payload, requestId?: string): Promise<void> {
    this.#engine.assertIntake()
    await this.#change(target, (execution) =>
      this.#engine.transitions.apply(execution, { type: 'signal', name, payload, requestId }),
    )
  }

  async cancel(target: ExecutionTarget, reason: string): Promise<void> {
    await this.#change(target, (execution) => {
      const rejected = this.#engine.transitions.apply(execution, { type: 'cancel', reason })
      // Code that does not run yet has nothing to clean up.
      const { state } = execution
      if (
        rejected === undefined &&
        !execution.isActivated &&
        state.status === 'running' &&
        state.notBefore > this.#engine.clock.nowMs()
      ) {
        return this.#engine.transitions.apply(execution, {
          type: 'workflow',
          command: { kind: 'cancelled', reason },
        })
      }
      return rejected
    })
  }

  async terminate(target: ExecutionTarget, reason: string): Promise<void> {
    await this.#change(target, (execution) => {
      const rejected = this.#engine.transitions.apply(execution, { type: 'terminate', reason })
      if (rejected === undefined) this.#engine.transitions.deactivate(execution)
      return rejected
    })
  }

  async retry(target: ExecutionTarget): Promise<void> {
    const execution = await this.#target(target)
    this.#assertDone(this.#engine.transitions.apply(execution, { type: 'retry' }))
    this.#engine.reload(execution)
    await this.#durable(execution)
  }

  async query(target: ExecutionTarget, name: string, payload: Payload): Promise<Payload> {
    const execution = await this.#target(target)
    const { runId, key, status } = execution.state
    if (isClosed(status))
      throw new PerdureError(
        'EXECUTION_CLOSED',
        `execution ${key.workflowId} is ${status}: it answers no queries`,
      )
    execution.pins += 1
    try {
      await this.#codeReady(execution)
      // It ended, or was loaded anew, while its code caught up.
      if (this.#engine.table.get(runId) !== execution || isClosed(execution.state.status))
        return await this.query({ key, runId }, name, payload)
      if (!execution.isActivated)
        throw new PerdureError('QUERY_FAILED', `execution ${key.workflowId} has not started: it is delayed`)
      const answer = this.#engine.options.worker.query(runId, name, payload)
      await this.#durable(execution)
      if (!answer.ok) throw errorOf(answer.failure)
      return answer.result
    } finally {
      this.#unpin(execution)
    }
  }

  async update(target: ExecutionTarget, name: string, payload: Payload, updateId: string): Promise<Payload> {
    this.#engine.assertIntake()
    const execution = await this.#target(target)
    const { key, status, updates } = execution.state
    if (isClosed(status) && updates?.get(updateId) == null)
      throw new PerdureError('EXECUTION_CLOSED', `execution ${key.workflowId} is ${status}`)
    const answer = await new Promise<Payload>((resolve, reject) => {
      this.#engine.updates.submit(execution, {
        updateId,
        name,
        payload,
        reply: (reply) => {
          if ('result' in reply) resolve(reply.result)
          else reject('failure' in reply ? errorOf(reply.failure) : reply.error)
        },
      })
      this.#engine.transitions.finish(execution)
    })
    this.#engine.table.refresh(execution)
    return answer
  }

  outcome(target: ExecutionTarget): Promise<Outcome> {
    const { table, ends } = this.#engine
    const live = target.runId === undefined ? table.current(target.key) : table.get(target.runId)
    const isOpen =
      live !== undefined &&
      isSame(live.state.key, target.key) &&
      !(live.state.closedAt !== null && live.isCommitted)
    if (!isOpen) return this.#outcome(target)
    // The common case, without a look at the store: the commit of its end is still to come.
    const { runId } = live.state
    return new Promise((resolve, reject) => {
      ends.add(runId, {
        reject,
        resolve: (terminal) => {
          if (terminal === undefined || terminal.type === 'execution-continued')
            resolve(this.#outcome({ key: target.key, runId }))
          else resolve(outcomeFrom(terminal, runId))
        },
      })
    })
  }

  async #outcome(target: ExecutionTarget): Promise<Outcome> {
    let runId = await this.#runOf(target)
    for (;;) {
      const terminal = await this.#end(runId)
      if (terminal.type !== 'execution-continued') return outcomeFrom(terminal, runId)
      runId = terminal.newRunId
    }
  }

  async describe(target: ExecutionTarget): Promise<ExecutionDescription> {
    const execution = await this.#target(target)
    execution.pins += 1
    try {
      if (!isClosed(execution.state.status) && execution.isActivated) await this.#codeReady(execution)
      const description = descriptionOf(execution.state)
      await this.#durable(execution)
      return description
    } finally {
      this.#unpin(execution)
    }
  }

  async history(
    target: ExecutionTarget,
    afterSeq: number,
    options: { readonly limit: number; readonly wait: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly SequencedEvent[]> {
    this.#engine.assertOpen()
    const runId = await this.#runOf(target)
    const { store } = this.#engine.options
    const limit = Math.min(options.limit, HISTORY_LIMIT)
    for (;;) {
      const changed = options.wait ? this.#engine.watchers.next(runId, options.signal) : undefined
      changed?.catch(() => {})
      const events = eventsAfter(await store.journal(runId, afterSeq, limit), afterSeq).slice(0, limit)
      if (events.length > 0 || changed === undefined || options.signal?.aborted === true) return events
      const [row] = await store.executions([runId])
      if (row === undefined || isClosed(row.status)) return []
      await changed
    }
  }

  async list(query: ListQuery): Promise<ListPage> {
    this.#engine.assertOpen()
    const { cursor, ...rest } = query
    const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_LIMIT)
    if (cursor !== undefined && !isRunId(cursor))
      throw new PerdureError('ARGUMENT_INVALID', 'the cursor of list() is not one that list() returned')
    const rows = await this.#engine.options.store.list({
      ...rest,
      limit: limit + 1,
      ...(cursor === undefined ? {} : { before: cursor }),
    })
    const executions = rows.slice(0, limit).map(summaryOf)
    const last = executions.at(-1)
    return rows.length > limit && last !== undefined ? { executions, cursor: last.runId } : { executions }
  }

  async delete(target: ExecutionTarget): Promise<void> {
    this.#engine.assertOpen()
    const runId = await this.#runOf(target)
    const live = this.#engine.table.get(runId)
    if (live !== undefined) await this.#durable(live)
    const [row] = await this.#engine.options.store.executions([runId])
    if (row === undefined) throw notFound(target)
    if (!isClosed(row.status))
      throw new PerdureError('EXECUTION_OPEN', `execution ${row.key.workflowId} is ${row.status}`)
    await this.deleteRows([row])
  }

  /** Deletes closed executions; resolves when that is durable. */
  async deleteRows(rows: readonly ExecutionRow[]): Promise<void> {
    const { committer, table } = this.#engine
    const last = rows.at(-1)
    if (last === undefined) return
    for (const { runId, key } of rows) {
      const live = table.get(runId)
      if (live !== undefined) table.remove(live)
      committer.writesFor(runId).deleteRun(key)
    }
    await new Promise<void>((resolve, reject) => {
      committer.releaseAfterOpen(last.runId, (dropped) =>
        dropped === undefined ? resolve() : reject(dropped),
      )
      committer.touch()
    })
  }

  async #change(
    target: ExecutionTarget,
    apply: (execution: LiveExecution) => Rejection | undefined,
  ): Promise<void> {
    const execution = await this.#target(target)
    this.#assertDone(apply(execution))
    this.#engine.transitions.finish(execution)
    await this.#durable(execution)
  }

  #assertDone(rejected: Rejection | undefined): void {
    if (rejected !== undefined) throw new PerdureError(rejected.code as ErrorCode, rejected.detail)
  }

  async #target(target: ExecutionTarget): Promise<LiveExecution> {
    this.#engine.assertOpen()
    const { key, runId } = target
    const live = runId === undefined ? this.#engine.table.current(key) : this.#engine.table.get(runId)
    if (live !== undefined && isSame(live.state.key, key)) return live
    return this.#load(await this.#runOf(target))
  }

  async #runOf(target: ExecutionTarget): Promise<RunId> {
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

  async #load(runId: RunId): Promise<LiveExecution> {
    const execution = await this.#engine.table.load(runId)
    this.#engine.assertOpen()
    if (execution === undefined) throw new PerdureError('EXECUTION_NOT_FOUND', `there is no run ${runId}`)
    return execution
  }

  /** Waits until the code has seen every event so far. */
  async #codeReady(execution: LiveExecution): Promise<void> {
    const { key } = execution.state
    if (execution.state.status === 'parked' && !execution.isActivated) {
      throw new PerdureError(
        'EXECUTION_PARKED',
        `execution ${key.workflowId} is parked: ${execution.state.parkedFailure?.message ?? ''}`,
      )
    }
    while (execution.isActivated && !execution.isCodeIdle) {
      await new Promise<void>((resolve) => this.#engine.clock.defer(resolve))
      this.#engine.assertOpen()
    }
  }

  #durable(execution: LiveExecution): Promise<void> {
    return new Promise((resolve, reject) => this.#answer(execution, resolve, reject))
  }

  #answer(execution: LiveExecution, resolve: () => void, reject: (error: Error) => void): void {
    this.#engine.committer.release(execution, (dropped) =>
      dropped === undefined ? resolve() : reject(dropped),
    )
  }

  #unpin(execution: LiveExecution): void {
    execution.pins -= 1
    this.#engine.table.refresh(execution)
    this.#engine.table.trim()
    if (isClosed(execution.state.status) && execution.isCommitted) this.#engine.table.remove(execution)
  }

  /** The event that ends a run, when it is durable. A run in memory tells it; for others the store is asked first. */
  async #end(runId: RunId): Promise<TerminalEvent> {
    for (;;) {
      this.#engine.assertOpen()
      // Registered before the look at the store, so that an end in between is not missed.
      const told = this.#engine.ends.next(runId)
      const live = this.#engine.table.get(runId)
      if (live === undefined || (live.state.closedAt !== null && live.isCommitted)) {
        told.catch(() => {})
        const terminal = await this.#storedEnd(runId, live !== undefined)
        if (terminal !== undefined) return terminal
      }
      const terminal = await told
      if (terminal !== undefined) return terminal
    }
  }

  async #storedEnd(runId: RunId, isLive: boolean): Promise<TerminalEvent | undefined> {
    const { store } = this.#engine.options
    const [row] = await store.executions([runId])
    if (row === undefined) {
      if (isLive || this.#engine.table.get(runId) !== undefined) return undefined
      throw new PerdureError('EXECUTION_NOT_FOUND', `there is no run ${runId}`)
    }
    const entry = isClosed(row.status) ? await store.lastEntry(runId) : undefined
    if (entry === undefined) return undefined
    const last = lastEventOf(entry)
    // Reopened in between: its end is still to come.
    return isTerminal(last) ? last : undefined
  }
}

function isSame(a: WorkflowKey, b: WorkflowKey): boolean {
  return a === b || (a.workflowId === b.workflowId && a.namespace === b.namespace)
}

function notFound(target: ExecutionTarget): PerdureError {
  return new PerdureError(
    'EXECUTION_NOT_FOUND',
    `there is no execution ${target.key.workflowId} in namespace ${target.key.namespace}`,
  )
}

function eventsAfter(entries: readonly JournalEntry[], afterSeq: number): SequencedEvent[] {
  const events: SequencedEvent[] = []
  for (const entry of entries) {
    let { seq } = entry
    for (const event of JSON.parse(entry.events) as Event[]) {
      if (seq > afterSeq) events.push({ seq, event })
      seq += 1
    }
  }
  return events
}

function lastEventOf(entry: JournalEntry): Event {
  const event = (JSON.parse(entry.events) as Event[]).at(-1)
  if (event === undefined)
    throw new Error(`invariant: journal entry ${entry.seq} of run ${entry.runId} is empty`)
  return event
}
