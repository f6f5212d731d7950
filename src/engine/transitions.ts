/**
 * Carries out decisions: journals the events, applies them, gives them to the code, and arranges the effects.
 *
 * 1. Every change of an execution goes through `apply`; what it appends, and the effects that leave the process, share
 *    one batch.
 * 2. A step function runs only after the commit of all that its execution had recorded when it was asked for.
 */
import { decide } from '../core/execution/decide.ts'
import type { Command, Effect, Rejection } from '../core/execution/decision.ts'
import { evolve, evolveTransient } from '../core/execution/evolve.ts'
import type { QueuedSignal } from '../core/execution/state.ts'
import { emptyState } from '../core/execution/state.ts'
import { START_TIMER } from '../core/execution/timer-ids.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import {
  type Event,
  type ExecutionStarted,
  isDelivered,
  isTerminal,
  type SequencedEvent,
} from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { platformFailure } from '../protocol/failure.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Limits } from '../protocol/limits.ts'
import type { Message } from '../protocol/message.ts'
import type { StepDispatch, WorkerPort } from '../protocol/worker-port.ts'
import type { Committer } from './committer.ts'
import { executionFields } from './execution-fields.ts'
import type { NewsListener } from './execution-news.ts'
import type { ExecutionTraces } from './execution-traces.ts'
import { LimitWarnings } from './limit-warnings.ts'
import { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import type { ExecutionMetrics } from './metrics/execution-metrics.ts'
import type { WaitingRelease } from './open-batch.ts'
import { humanTaskRow } from './people/human-task-row.ts'
import type { TimerWindow } from './timer-window.ts'

export interface TransitionsOptions {
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  readonly worker: WorkerPort<LiveExecution>
  readonly committer: Committer
  readonly table: LiveTable
  /** Asked each time: a new session has a new window. */
  readonly timers: () => TimerWindow | undefined
  readonly send: (from: LiveExecution, message: Message) => void
  /** Steps are no longer started: the engine closes, or gives up the shard. */
  readonly isDraining: (shard: number) => boolean
  /** Of a shard that is owned. */
  readonly epochOf: (shard: number) => number
  readonly scheduleTask: (
    execution: LiveExecution,
    command: Extract<Effect, { kind: 'schedule-task' }>['command'],
  ) => void
  /** `started`: by a client, a parent or a schedule; not by going on as new. */
  readonly onNews: NewsListener
  readonly onUpdateCompleted: (execution: LiveExecution, updateId: string) => void
  /** The code has had every event and waits, or is gone. */
  readonly onCodeIdle: (execution: LiveExecution) => void
  /** An operation was withdrawn: the code has to be replayed without it. */
  readonly onWithdrawn: (execution: LiveExecution) => void
  readonly metrics: ExecutionMetrics | undefined
  readonly traces: ExecutionTraces | undefined
}

/** One object per step, dispatch and release in one: this is the hottest path. */
class StepRelease implements WaitingRelease, StepDispatch {
  readonly isStep = true
  readonly runId: RunId
  readonly op: number
  readonly attempt: number
  startedMs: number | undefined = undefined
  readonly #transitions: Transitions
  readonly #execution: LiveExecution

  constructor(transitions: Transitions, execution: LiveExecution, op: number, attempt: number) {
    this.runId = execution.state.runId
    this.op = op
    this.attempt = attempt
    this.#transitions = transitions
    this.#execution = execution
  }

  release(dropped: Error | undefined): void {
    if (dropped === undefined) this.#transitions.runStep(this.#execution, this)
  }
}

type Started = Omit<ExecutionStarted, 'at' | 'type'>

export class Transitions {
  readonly #options: TransitionsOptions
  readonly #warnings: LimitWarnings
  readonly #circumstances: { now: number; readonly limits: Limits }
  /** While consumed signals cannot be told from queued ones, only the length of the history limits them. */
  readonly #withoutSignalLimit: { now: number; readonly limits: Limits }

  constructor(options: TransitionsOptions) {
    this.#options = options
    this.#warnings = new LimitWarnings(options.limits, options.logger)
    const { limits } = options
    this.#circumstances = { now: 0, limits }
    this.#withoutSignalLimit = { now: 0, limits: { ...limits, queuedSignals: Number.POSITIVE_INFINITY } }
  }

  /** Starts a run: the newest of its workflow id. */
  start(runId: RunId, started: Started, signals?: readonly QueuedSignal[]): LiveExecution {
    const { table, clock, worker, metrics, traces } = this.#options
    const execution = new LiveExecution(emptyState(runId), table.shardOf(started.key), true)
    const { state } = execution
    execution.isStartUncounted = metrics !== undefined
    state.key = started.key
    const isDue = started.notBefore === undefined || started.notBefore <= clock.nowMs()
    const { workflow, version } = started
    if (isDue && worker.supports(workflow, version, started.key.namespace)) {
      const info = { key: started.key, runId, workflow, version }
      execution.run = worker.activate({ owner: execution, info, history: [] })
    }
    const build = execution.run?.build
    const span = traces?.begin(runId, started)
    const trace = span?.context
    let begun = build === undefined ? started : { ...started, buildId: build }
    if (trace !== undefined) begun = { ...begun, trace }
    this.apply(
      execution,
      signals === undefined ? { type: 'start', started: begun } : { type: 'start', started: begun, signals },
    )
    // The time may have come just now, after it was looked at: then the kernel has armed no timer.
    if (!isDue && state.notBefore <= state.startedAt)
      this.#perform(execution, { kind: 'arm-timer', timer: START_TIMER, dueAt: state.notBefore })
    execution.rowActive = isDue
    execution.rowAttributes = state.attributes
    execution.writes?.insertExecution({
      runId,
      key: state.key,
      shard: execution.shard,
      workflow: state.workflow,
      version: state.version,
      status: 'running',
      active: isDue,
      startedAt: state.startedAt,
      closedAt: null,
      attributes: state.attributes,
    })
    execution.writes?.setCurrent(state.key)
    table.add(execution)
    if (started.continuedFrom === undefined) this.#options.onNews(execution, 'started')
    if (isDue && execution.run === undefined) this.#parkForCode(execution)
    if (span !== undefined) traces?.begun(execution, span)
    this.finish(execution)
    return execution
  }

  /**
   * Replays a loaded execution whose code may have to run; without its code it is parked. A parked one is only tried: it
   * is resumed when its replay succeeds.
   */
  activate(execution: LiveExecution, history: readonly SequencedEvent[]): void {
    const { state } = execution
    const { key, runId, workflow, version, build } = state
    execution.areSignalsKnown = state.signals === undefined
    if (isClosed(state.status) || state.notBefore > this.#options.clock.nowMs()) return
    if (this.#options.worker.supports(workflow, version, key.namespace)) {
      const info = { key, runId, workflow, version, build }
      execution.run = this.#options.worker.activate({ owner: execution, info, history })
      execution.isCodeIdle = false
    } else if (state.status !== 'parked') {
      this.#parkForCode(execution)
      this.finish(execution)
    }
  }

  #parkForCode(execution: LiveExecution): void {
    const { workflow, version } = execution.state
    const failure = platformFailure(
      'EXECUTION_PARKED',
      `no code is registered for workflow ${workflow} version ${version}`,
    )
    this.apply(execution, { type: 'park', failure })
    this.#options.logger.warn('execution parked: its code is missing', {
      ...executionFields(execution.state),
      ...{ workflow, version },
    })
  }

  apply(execution: LiveExecution, command: Command): Rejection | undefined {
    const circumstances = execution.areSignalsKnown ? this.#circumstances : this.#withoutSignalLimit
    circumstances.now = this.#options.clock.nowMs()
    const { events, transient, effects, rejected } = decide(execution.state, command, circumstances)
    if (rejected !== undefined) return rejected
    for (const event of transient) evolveTransient(execution.state, event)
    for (const event of events) this.#append(execution, event)
    for (const effect of effects) this.#perform(execution, effect)
    this.#warnings.look(execution)
    if (execution.state.seq >= this.#options.limits.historyEvents) this.#endTooLong(execution)
    return undefined
  }

  /** After a group of changes: writes the summary if it has changed. */
  finish(execution: LiveExecution): void {
    const { state } = execution
    if (isClosed(state.status)) this.deactivate(execution)
    const active = state.status === 'running' && (state.runnableSteps > 0 || !execution.isCodeIdle)
    if (
      active !== execution.rowActive ||
      state.status !== execution.rowStatus ||
      state.attributes !== execution.rowAttributes
    ) {
      execution.rowActive = active
      execution.rowStatus = state.status
      execution.rowAttributes = state.attributes
      this.#options.committer.batchFor(execution)
      execution.writes?.changeExecution({
        status: state.status,
        active,
        closedAt: state.closedAt,
        attributes: state.attributes,
      })
    }
    this.#options.table.refresh(execution)
    this.#options.committer.touch()
  }

  /** Drops the code of an execution; replay brings it back. */
  deactivate(execution: LiveExecution): void {
    const { run } = execution
    if (run === undefined) return
    execution.run = undefined
    execution.isCodeIdle = true
    run.evict()
    this.#options.onCodeIdle(execution)
  }

  /** The commit that a step had to wait for has happened. */
  runStep(execution: LiveExecution, step: StepDispatch): void {
    // An execution that was loaded anew has asked for its steps again; so will the next owner of its shard.
    if (this.#options.isDraining(execution.shard) || execution.run === undefined) return
    this.#options.metrics?.stepStarted(step)
    execution.run.runStep(step)
  }

  #append(execution: LiveExecution, event: Event): void {
    const { committer, epochOf, metrics } = this.#options
    const { state, shard } = execution
    committer.batchFor(execution)
    // The journal first: what cannot be written must not have happened in memory.
    execution.writes?.appendEvent(state.seq + 1, epochOf(shard), event)
    evolve(state, event)
    metrics?.appended(execution, event)
    if (isDelivered(event)) {
      if (execution.run !== undefined) {
        execution.isCodeIdle = false
        execution.run.deliver(state.seq, event)
      }
    } else if (event.type === 'update-completed') this.#options.onUpdateCompleted(execution, event.updateId)
    else if (event.type === 'execution-parked') this.deactivate(execution)
    else if (event.type === 'child-withdrawn') {
      this.deactivate(execution)
      this.#options.onWithdrawn(execution)
    } else if (isTerminal(event)) {
      this.#options.traces?.ended(execution)
      this.#options.onNews(execution, 'ended')
    }
  }

  #perform(execution: LiveExecution, effect: Effect): void {
    const { committer } = this.#options
    const { state } = execution
    switch (effect.kind) {
      case 'run-step': {
        committer.wait(execution, new StepRelease(this, execution, effect.op, effect.attempt))
        return
      }
      case 'abort-step':
        execution.run?.abortStep(effect.op)
        return
      case 'arm-timer': {
        const { timer, dueAt } = effect
        const batch = committer.batchFor(execution)
        execution.writes?.armTimer(timer, dueAt, execution.shard)
        batch.timers.push({ runId: state.runId, timer, dueAt, shard: execution.shard })
        return
      }
      case 'drop-timer':
        committer.batchFor(execution)
        execution.writes?.dropTimer(effect.timer)
        this.#options.timers()?.dropped(state.runId, effect.timer)
        return
      case 'send':
        committer.together(() => this.#options.send(execution, effect.message))
        return
      case 'schedule-task':
        committer.batchFor(execution)
        this.#options.scheduleTask(execution, effect.command)
        return
      case 'show-human-task': {
        const pending = state.ops.get(effect.op)
        if (pending?.kind !== 'human') return
        committer.batchFor(execution)
        execution.writes?.putHumanTask(humanTaskRow(state, effect.op, pending))
        return
      }
      case 'hide-human-task':
        committer.batchFor(execution)
        execution.writes?.dropHumanTask(effect.op)
        return
      case 'continue':
        committer.together(() => this.#continue(execution, effect))
        return
    }
  }

  #continue(execution: LiveExecution, effect: Extract<Effect, { kind: 'continue' }>): void {
    const next = this.start(effect.newRunId, effect.started, effect.signals)
    if (effect.cancelReason !== undefined) {
      const byParent = effect.isCancelledByParent === true ? { parentClosed: true as const } : {}
      this.apply(next, { type: 'cancel', reason: effect.cancelReason, ...byParent })
      this.finish(next)
    }
    const batch = this.#options.committer.batchFor(execution)
    batch.links.push([execution.state.runId, next.state.runId])
  }

  #endTooLong(execution: LiveExecution): void {
    const { state } = execution
    const { limits } = this.#options
    if (isClosed(state.status)) return
    this.apply(execution, {
      type: 'fail',
      failure: platformFailure(
        'HISTORY_TOO_LONG',
        `the history has ${state.seq} events, the limit is ${limits.historyEvents}`,
      ),
    })
  }
}
