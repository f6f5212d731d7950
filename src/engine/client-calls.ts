/**
 * The calls of clients, on the engine: every answer waits for the commit of what it says.
 */

import type { Rejection } from '../core/execution/decision.ts'
import { currentCall, type TrackedCall } from '../platform/call-context.ts'
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
import { PerdureError } from '../protocol/errors.ts'
import { type Event, isTerminal, type SequencedEvent, type TerminalEvent } from '../protocol/event.ts'
import type { ExecutionExplanation } from '../protocol/execution-explanation.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { errorOf } from '../protocol/failure.ts'
import { isRunId, type RunId, runIdAbove } from '../protocol/ids.ts'
import type { NodesPort } from '../protocol/nodes-port.ts'
import type { Payload } from '../protocol/payload.ts'
import type { WaitOptions } from '../protocol/task-port.ts'
import type { JournalEntry } from '../store/contract/rows.ts'
import { shownReads } from '../store/contract/shown-reads.ts'
import { AloneNodes } from './alone-nodes.ts'
import { descriptionOf, summaryOf } from './description.ts'
import type { Engine } from './engine.ts'
import { ExecutionAccess, isSame, notFound, pinned } from './execution-access.ts'
import { eventsAfter } from './journal-events.ts'
import type { LiveExecution, UpdateRequest } from './live-execution.ts'
import { outcomeFrom } from './outcome.ts'
import { PeopleCalls } from './people/people-calls.ts'
import { ScheduleCalls } from './schedules/schedule-calls.ts'
import { Starts } from './starts.ts'
import { QueueCalls } from './tasks/queue-calls.ts'
import { TaskCalls } from './tasks/task-calls.ts'
import { assertAwaited } from './waiters.ts'
import { tasksOf, whyExecutionWaits, withTasks } from './why-execution-waits.ts'
import { WorkerCalls } from './workers/worker-calls.ts'
import type { WorkflowCrew } from './workers/workflow-crew.ts'

const LIST_LIMIT = 1000
const LIST_DEFAULT = 100
const HISTORY_LIMIT = 10_000

export class ClientCalls implements ClientPort {
  readonly #engine: Engine
  readonly #access: ExecutionAccess
  readonly #starts: Starts
  readonly tasks: TaskCalls
  readonly schedules: ScheduleCalls
  readonly queues: QueueCalls
  readonly people: PeopleCalls
  readonly workers: WorkerCalls
  readonly nodes: NodesPort

  /** @param nodes in a cluster */
  constructor(engine: Engine, workflows: WorkflowCrew<LiveExecution>, nodes?: NodesPort) {
    this.#engine = engine
    this.#access = new ExecutionAccess(engine)
    this.#starts = new Starts(engine)
    this.people = new PeopleCalls(engine, this.#access)
    this.tasks = new TaskCalls(engine)
    this.schedules = new ScheduleCalls(engine)
    this.queues = new QueueCalls(engine)
    this.workers = new WorkerCalls(engine, workflows)
    this.nodes = nodes ?? new AloneNodes(engine)
  }

  newRequestId(): string {
    return this.#engine.newRunId()
  }

  start(request: StartRequest): Promise<StartReply> {
    return this.#starts.start(request)
  }

  async signal(target: ExecutionTarget, name: string, payload: Payload, requestId?: string): Promise<void> {
    this.#engine.assertIntake()
    await this.#access.change(target, (execution) =>
      this.#engine.transitions.apply(execution, { type: 'signal', name, payload, requestId }),
    )
  }

  async cancel(target: ExecutionTarget, reason: string): Promise<void> {
    await this.#access.change(target, (execution) => {
      const rejected = this.#engine.transitions.apply(execution, { type: 'cancel', reason })
      // Code that does not run yet has nothing to clean up.
      const { state } = execution
      if (
        rejected === undefined &&
        execution.run === undefined &&
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
    await this.#access.change(target, (execution) => {
      const rejected = this.#engine.transitions.apply(execution, { type: 'terminate', reason })
      if (rejected === undefined) this.#engine.transitions.deactivate(execution)
      return rejected
    })
  }

  async retry(target: ExecutionTarget): Promise<void> {
    this.#engine.assertOpen()
    const { table, transitions, ownership } = this.#engine
    const { losses } = ownership
    const [stored] = await table.currentRuns([target.key])
    const apply = (execution: LiveExecution): Rejection | undefined => {
      // Another node may have started a newer one.
      ownership.assertSince(losses)
      const { runId, key } = execution.state
      const newest = table.current(key)?.state.runId ?? stored
      if (newest === undefined || newest === runId) return transitions.apply(execution, { type: 'retry' })
      // Both would be open under one id, and messages to it would not reach this one.
      const detail = `run ${runId} of execution ${key.workflowId} was replaced by run ${newest}`
      return { code: 'RETRY_IMPOSSIBLE', detail }
    }
    await this.#access.change(target, apply, (execution) => this.#engine.reload(execution))
  }

  async query(target: ExecutionTarget, name: string, payload: Payload): Promise<Payload> {
    const execution = await this.#access.with(target, pinned)
    const { runId, key } = execution.state
    try {
      const { status } = execution.state
      if (isClosed(status)) {
        await this.#access.durable(execution)
        throw new PerdureError(
          'EXECUTION_CLOSED',
          `execution ${key.workflowId} is ${status}: it answers no queries`,
        )
      }
      await this.#codeReady(execution)
      // It ended, or was loaded anew, while its code caught up.
      if (this.#engine.table.get(runId) !== execution || isClosed(execution.state.status))
        return await this.query({ key, runId }, name, payload)
      if (execution.state.status === 'parked') {
        await this.#access.durable(execution)
        throw parkedError(execution)
      }
      if (execution.run === undefined)
        throw new PerdureError('QUERY_FAILED', `execution ${key.workflowId} has not started: it is delayed`)
      const answer = await execution.run.query(name, payload)
      await this.#access.durable(execution)
      // Its worker was lost: the code is live somewhere else, or soon will be.
      if (answer === undefined) return await this.query({ key, runId }, name, payload)
      if (!answer.ok) throw errorOf(answer.failure)
      return answer.result
    } finally {
      this.#access.unpin(execution)
    }
  }

  async update(
    target: ExecutionTarget,
    name: string,
    payload: Payload,
    updateId: string,
    { signal }: WaitOptions = {},
  ): Promise<Payload> {
    this.#engine.assertIntake()
    const call = this.#call()
    return this.#access.with(target, async (execution) => {
      const { key, status, updates } = execution.state
      if (isClosed(status) && updates?.get(updateId) == null) {
        await this.#access.durable(execution)
        throw new PerdureError('EXECUTION_CLOSED', `execution ${key.workflowId} is ${status}`)
      }
      assertAwaited(signal)
      const { promise, resolve, reject } = Promise.withResolvers<Payload>()
      const request: UpdateRequest = {
        at: undefined,
        updateId,
        name,
        payload,
        call,
        reply: (reply) => {
          if ('result' in reply) resolve(reply.result)
          else reject('failure' in reply ? errorOf(reply.failure) : reply.error)
        },
      }
      const withdraw = this.#engine.guarded(() => this.#engine.updates.withdraw(request))
      signal?.addEventListener('abort', withdraw)
      try {
        this.#engine.updates.submit(execution, request)
        this.#engine.transitions.finish(execution)
        const answer = await promise
        this.#engine.table.refresh(execution)
        return answer
      } finally {
        signal?.removeEventListener('abort', withdraw)
      }
    })
  }

  outcome(target: ExecutionTarget, { signal }: WaitOptions = {}): Promise<Outcome> {
    const { table, ends } = this.#engine
    const live = target.runId === undefined ? table.current(target.key) : table.get(target.runId)
    const isOpen =
      live !== undefined &&
      isSame(live.state.key, target.key) &&
      !(live.state.closedAt !== null && live.isCommitted)
    if (!isOpen) return this.#outcome(target, signal)
    // The common case, without a look at the store: the commit of its end is still to come.
    const { runId } = live.state
    const { told, forget } = ends.next(runId, signal)
    return told.then((terminal) => {
      forget()
      if (terminal === undefined) return this.#outcome(target, signal)
      if (terminal.type === 'execution-continued') return this.#outcome({ key: target.key, runId }, signal)
      return outcomeFrom(terminal, runId)
    })
  }

  async #outcome(target: ExecutionTarget, signal: AbortSignal | undefined): Promise<Outcome> {
    assertAwaited(signal)
    let runId = await this.#access.runOf(target)
    for (;;) {
      const terminal = await this.#end(target, runId, signal)
      if (terminal === undefined) {
        // Its start was dropped: the newest run is another one, or there is none.
        const newest = await this.#access.runOf(target)
        if (newest === runId) throw new PerdureError('EXECUTION_NOT_FOUND', `there is no run ${runId}`)
        runId = newest
      } else if (terminal.type === 'execution-continued') runId = terminal.newRunId
      else return outcomeFrom(terminal, runId)
    }
  }

  async describe(target: ExecutionTarget): Promise<ExecutionDescription> {
    const execution = await this.#access.with(target, pinned)
    try {
      if (hasCode(execution)) await this.#codeReady(execution)
      const description = descriptionOf(execution.state)
      await this.#access.durable(execution)
      return description
    } finally {
      this.#access.unpin(execution)
    }
  }

  async explain(target: ExecutionTarget): Promise<ExecutionExplanation> {
    const execution = await this.#access.with(target, pinned)
    const { tasks, clock } = this.#engine
    try {
      const { state } = execution
      if (hasCode(execution)) await this.#codeReady(execution)
      const { run } = execution
      const isWaiting = run?.isWaiting === true
      const code = { isLive: run !== undefined, isWaiting, waits: (await run?.waits()) ?? [] }
      const explanation = whyExecutionWaits(state, code, clock.nowMs())
      const numbers = tasksOf(state)
      await this.#access.durable(execution)
      return numbers.length === 0 ? explanation : withTasks(explanation, await tasks.explainAll(numbers))
    } finally {
      this.#access.unpin(execution)
    }
  }

  async history(
    target: ExecutionTarget,
    afterSeq: number,
    options: { readonly limit: number; readonly wait: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly SequencedEvent[]> {
    this.#engine.assertOpen()
    const runId = await this.#access.runOf(target)
    const { store } = this.#engine.options
    const shown = shownReads(store)
    const limit = Math.min(options.limit, HISTORY_LIMIT)
    const { watchers } = this.#engine
    for (let isOver = false; ; ) {
      if (options.wait) this.#engine.ownership.assertRunsOf(target.key)
      // Registered before the look at the store, so that nothing in between is missed.
      const next = options.wait ? watchers.next(runId, options.signal) : undefined
      try {
        const events = eventsAfter(await shown.journal(runId, afterSeq, limit), afterSeq).slice(0, limit)
        if (events.length > 0 || next === undefined || isOver || options.signal?.aborted === true)
          return events
        const [row] = await store.executions([runId])
        // It may have ended after the journal was read: then its last events are there by now.
        isOver = row === undefined || isClosed(row.status)
        if (!isOver) await next.told
      } finally {
        next?.forget()
      }
    }
  }

  async list(query: ListQuery): Promise<ListPage> {
    this.#engine.assertOpen()
    const { cursor, ...rest } = query
    const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_LIMIT)
    if (cursor !== undefined && !isRunId(cursor))
      throw new PerdureError('ARGUMENT_INVALID', 'the cursor of list() is not one that list() returned')
    const { startedTo } = query
    const before = cursor ?? (startedTo === undefined ? undefined : runIdAbove(startedTo))
    const rows = await shownReads(this.#engine.options.store).list({
      ...rest,
      limit: limit + 1,
      ...(before === undefined ? {} : { before }),
    })
    const executions = rows.slice(0, limit).map(summaryOf)
    const last = executions.at(-1)
    return rows.length > limit && last !== undefined ? { executions, cursor: last.runId } : { executions }
  }

  async delete(target: ExecutionTarget): Promise<void> {
    this.#engine.assertOpen()
    const runId = await this.#access.runOf(target)
    this.#engine.ownership.assertRunsOf(target.key)
    const live = this.#engine.table.get(runId)
    if (live !== undefined) await this.#access.durable(live)
    const [row] = await this.#engine.options.store.executions([runId])
    if (row === undefined) throw notFound(target)
    if ((await this.deleteClosed([runId], this.#call())) === 0) {
      this.#engine.ownership.assertRunsOf(target.key)
      throw new PerdureError('EXECUTION_OPEN', `execution ${row.key.workflowId} is open`)
    }
  }

  /** That this belongs to, if calls are recorded. */
  #call(): TrackedCall | undefined {
    return this.#engine.audit === undefined ? undefined : currentCall()
  }

  /** Deletes those that are closed; resolves with their number when that is durable. */
  async deleteClosed(runIds: readonly RunId[], call?: TrackedCall): Promise<number> {
    const { committer, table, options, ownership, audit } = this.#engine
    const rows = await options.store.executions(runIds)
    const deleted: RunId[] = []
    for (const row of rows) {
      if (row === undefined || !isClosed(row.status) || !ownership.isOpen(row.shard)) continue
      const live = table.get(row.runId)
      // Reopened in this moment: its row does not say so yet.
      if (live !== undefined && !isClosed(live.state.status)) continue
      deleted.push(row.runId)
      table.deleting(row.runId)
      committer.writesFor(row.runId).deleteRun(row.key)
      audit?.changed(call, row.runId)
    }
    // One by one: the store may take some of them and refuse others.
    const durable = deleted.map(
      (runId) =>
        new Promise<void>((resolve, reject) => {
          committer.releaseAfterOpen(runId, (dropped) => {
            table.deleted(runId)
            if (dropped === undefined) resolve()
            else reject(dropped)
          })
        }),
    )
    committer.touch()
    await Promise.all(durable)
    return deleted.length
  }

  /** Waits until the code has seen every event so far. */
  async #codeReady(execution: LiveExecution): Promise<void> {
    if (execution.state.status === 'parked' && execution.run === undefined) {
      await this.#access.durable(execution)
      throw parkedError(execution)
    }
    // Code that is loaded anew is not idle either.
    const { runId } = execution.state
    while (!execution.isCodeIdle && this.#engine.table.get(runId) === execution) {
      await this.#engine.codeIdles.next(runId).told
      this.#engine.assertOpen()
    }
  }

  /**
   * The event that ends a run, when it is durable. A run in memory tells it; for others the store is asked first.
   * Undefined: there is no such run.
   */
  async #end(
    { key }: ExecutionTarget,
    runId: RunId,
    signal: AbortSignal | undefined,
  ): Promise<TerminalEvent | undefined> {
    for (;;) {
      assertAwaited(signal)
      this.#engine.assertOpen()
      this.#engine.ownership.assertRunsOf(key)
      // Registered before the look at the store, so that an end in between is not missed.
      const next = this.#engine.ends.next(runId, signal)
      try {
        const live = this.#engine.table.get(runId)
        if (live === undefined || (live.state.closedAt !== null && live.isCommitted)) {
          const terminal = await this.#storedEnd(runId, live !== undefined)
          if (terminal !== 'open') return terminal
        }
        const terminal = await next.told
        if (terminal !== undefined) return terminal
      } finally {
        next.forget()
      }
    }
  }

  async #storedEnd(runId: RunId, isLive: boolean): Promise<TerminalEvent | 'open' | undefined> {
    const { store } = this.#engine.options
    const [row] = await store.executions([runId])
    if (row === undefined) return isLive || this.#engine.table.get(runId) !== undefined ? 'open' : undefined
    const entry = isClosed(row.status) ? await store.lastEntry(runId) : undefined
    if (entry === undefined) return 'open'
    const last = lastEventOf(entry)
    // Reopened in between: its end is still to come.
    return isTerminal(last) ? last : 'open'
  }
}

/** Its code is live, and may have events to see. */
function hasCode({ state, run }: LiveExecution): boolean {
  return !isClosed(state.status) && run !== undefined && run.isWaiting !== true
}

function lastEventOf(entry: JournalEntry): Event {
  const event = (JSON.parse(entry.events) as Event[]).at(-1)
  if (event === undefined)
    throw new Error(`invariant: journal entry ${entry.seq} of run ${entry.runId} is empty`)
  return event
}

function parkedError({ state }: LiveExecution): PerdureError {
  const reason = state.parkedFailure?.message ?? ''
  return new PerdureError('EXECUTION_PARKED', `execution ${state.key.workflowId} is parked: ${reason}`)
}
