/**
 * The engine: one session on one store, and the shards that it owns: all of them, or in a cluster those that it is given.
 *
 * It owns the loop between worker, kernel, committer and store. Everything decided is decided in `core`; this file and its
 * neighbours only carry it out.
 *
 * 1. An answer leaves the engine only after the commit of what it says.
 * 2. When an outcome is unknown, or the session is fenced, everything in memory that is not proven durable is dropped, a
 *    new session is registered, and work goes on from the store.
 * 3. A failure that cannot be settled (a broken invariant, a failed fsync) stops the engine: nobody gets an answer.
 */
import type { Command } from '../core/execution/decision.ts'
import { type Clock, forwardingClock, monotonicClock } from '../platform/clock.ts'
import { incarnationOf, runIdSource } from '../platform/run-ids.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { TerminalEvent } from '../protocol/event.ts'
import { type Failure, platformFailure } from '../protocol/failure.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Payload } from '../protocol/payload.ts'
import type { TaskOutcome } from '../protocol/task-port.ts'
import type { ArrivedCode, RemoteWorkerHost, StepDispatch, TurnReport } from '../protocol/worker-port.ts'
import type { WorkflowCommand } from '../protocol/workflow-command.ts'
import type { CommitOutcome } from '../store/contract/batch.ts'
import type { BatchBuilder } from '../store/contract/batch-builder.ts'
import { SESSION_SLOTS } from '../store/contract/cluster-store.ts'
import type { Session } from '../store/contract/rows.ts'
import type { TaskSeq } from '../store/contract/task-rows.ts'
import { AuditDesk } from './audit/audit-desk.ts'
import { told } from './audit-chain.ts'
import { Ownership } from './cluster/ownership.ts'
import { ShardDesk } from './cluster/shard-desk.ts'
import { committedExecutions } from './committed-executions.ts'
import { Committer } from './committer.ts'
import { noCounts } from './engine-counters.ts'
import { scheduleDeskOf, taskDeskOf } from './engine-desks.ts'
import type { EngineOptions } from './engine-options.ts'
import { scheduleTask, withIds } from './engine-tasks.ts'
import type { NewsKind, NewsListener } from './execution-news.ts'
import { timersOf } from './execution-timers.ts'
import { ExecutionTraces } from './execution-traces.ts'
import { guardedBy } from './guarded.ts'
import { commitLast } from './last-commit.ts'
import type { LiveExecution } from './live-execution.ts'
import { LiveTable, type LoadedExecution } from './live-table.ts'
import { Mailbox } from './mailbox.ts'
import type { OpenBatch } from './open-batch.ts'
import { recover } from './recovery.ts'
import { RegistryDesk } from './registry/registry-desk.ts'
import { reloadExecution } from './reloading.ts'
import { loseRuns, tryParked } from './remote-code.ts'
import type { ScheduleDesk } from './schedules/schedule-desk.ts'
import { type Guilty, parkAllGuilty, sessionLost, settleBatch } from './settlement.ts'
import type { TaskDesk } from './tasks/task-desk.ts'
import type { TimerWindow } from './timer-window.ts'
import { Transitions } from './transitions.ts'
import { takeReport } from './turn-reports.ts'
import { UpdateDesk } from './update-desk.ts'
import { Waiters } from './waiters.ts'

export class Engine implements RemoteWorkerHost<LiveExecution> {
  readonly options: EngineOptions
  readonly counters = noCounts()
  readonly ownership: Ownership
  /** In a cluster: shards that come and go. */
  readonly shards: ShardDesk
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly mailbox: Mailbox
  readonly updates: UpdateDesk
  /** Told when events of a run were committed. */
  readonly watchers = new Waiters<RunId, TerminalEvent>()
  /** Told when the end of a run was committed. */
  readonly ends = new Waiters<RunId, TerminalEvent>()
  /** Told when the code of a run has had every event and waits, or is gone. */
  readonly codeIdles = new Waiters<RunId, void>()
  /** Told when the end of a task was committed. */
  readonly taskEnds = new Waiters<TaskSeq, TaskOutcome>()
  readonly tasks: TaskDesk
  readonly schedules: ScheduleDesk
  /** Undefined: calls are not recorded. */
  readonly audit: AuditDesk | undefined
  /** Administrative objects. */
  readonly registry: RegistryDesk
  readonly guilty = new Map<RunId, Guilty>()
  /** Executions that start and end, told within the batch that records it. It may send, and must not throw. */
  onNews: NewsListener | undefined
  clock: Clock
  newRunId: () => RunId
  session: Session = { id: 0, incarnation: '' }
  #batchSeq = 0
  /** Run ids of the session begin here, which may be ahead of its clock: its commits say so, for the next session. */
  #idsFromMs = 0
  #timers: TimerWindow | undefined
  #generation = 0
  /** The session was found to be fenced while a commit was in flight. */
  #isLost = false
  /** It closes, and code adds nothing any more to what is committed: also not what is in a turn still. */
  #isCodeLeft = false
  #state: 'new' | 'running' | 'closing' | 'closed' | 'failed' = 'new'
  #failure: Error | undefined

  constructor(options: EngineOptions) {
    this.options = options
    const { store, worker, logger, limits, clock, idleLimit, cluster } = options
    this.clock = clock
    this.ownership = new Ownership(options.shards, cluster === undefined)
    this.shards = new ShardDesk(this, () => parkAllGuilty(this))
    this.newRunId = runIdSource(clock, options.random)
    const onError = (error: unknown): void => this.fail(error)
    const areTasksIdle = (): boolean => this.tasks.isIdle
    const ownClock = forwardingClock(() => this.clock)
    const busyRuns = (): number => (this.#isCodeLeft ? 0 : worker.busyRuns)
    this.committer = new Committer({
      get busyRuns() {
        return busyRuns()
      },
      get isIdle() {
        return worker.busyRuns === 0 && worker.runningSteps === 0 && areTasksIdle()
      },
      defer: (call) => clock.defer(this.guarded(call)),
      commit: (builder, isAwaited) => this.commitAs(builder, isAwaited),
      onCommitted: (batch) => this.#onCommitted(batch),
      onTrouble: (batch, outcome) => {
        settleBatch(this, batch, outcome).catch(onError)
      },
      fail: onError,
    })
    this.table = new LiveTable({
      store,
      ownership: this.ownership,
      idleLimit,
      onLoaded: (loaded) => this.#onLoaded(loaded),
      onEvicted: (execution) => this.transitions.deactivate(execution),
    })
    this.transitions = new Transitions({
      clock: ownClock,
      limits,
      logger,
      worker,
      committer: this.committer,
      table: this.table,
      timers: () => this.#timers,
      send: (from, message) => this.mailbox.send(from, message),
      isDraining: (shard) => this.#state !== 'running' || !this.ownership.isOpen(shard),
      epochOf: (shard) => this.ownership.epochOf(shard),
      scheduleTask: (execution, command) => scheduleTask(this, execution, command),
      onNews: (execution, kind) => this.#onNews(execution, kind),
      onUpdateCompleted: (execution, updateId) => this.updates.completed(execution, updateId),
      onCodeIdle: (execution) => this.codeIdle(execution),
      onWithdrawn: (execution) => this.reload(execution),
      metrics: options.metrics?.executions,
      traces: options.tracing && new ExecutionTraces(options.tracing, this.committer),
    })
    const { committer, table, transitions, ownership } = this
    this.mailbox = new Mailbox({
      table,
      committer,
      transitions,
      ownership,
      outgoing: cluster?.mail,
      logger,
      tasks: () => this.tasks,
      onError,
      metrics: options.metrics?.messages,
    })
    this.updates = new UpdateDesk({
      committer,
      transitions,
      audit: () => this.audit,
      refresh: (execution) => table.refresh(execution),
      guarded: (call) => this.guarded(call),
    })
    this.tasks = taskDeskOf(this, ownClock)
    this.schedules = scheduleDeskOf(this, ownClock)
    this.audit = options.audit === undefined ? undefined : new AuditDesk({ committer, clock: ownClock })
    this.registry = new RegistryDesk(this)
  }

  async open(): Promise<void> {
    this.#state = 'running'
    await this.register()
    await this.start()
  }

  /** Registers a session: from now on only its batches count. */
  async register(): Promise<void> {
    const { store, node, clock, random, cluster } = this.options
    if (cluster === undefined) {
      const incarnation = incarnationOf(random)
      const alone = await store.register({ node, incarnation, nowMs: clock.nowMs() })
      this.session = alone.session
      this.ownership.ownAll(alone.epoch ?? alone.session.id)
      this.beginAt(alone.clockFloorMs)
    } else {
      const { session, slot, clockFloorMs } = await cluster.join()
      this.session = session
      this.tasks.useSlot(slot, SESSION_SLOTS)
      this.beginAt(clockFloorMs)
    }
    this.#batchSeq = 0
    this.#isLost = false
    this.guilty.clear()
  }

  /** Time and run ids go on from there: what was committed before is not later. */
  beginAt(clockFloorMs: number): void {
    const { clock, random, logger } = this.options
    const floorMs = Math.max(clockFloorMs, this.clock.nowMs())
    this.clock = monotonicClock(clock, floorMs, (behindMs) => {
      logger.warn('the clock of the machine is behind the last commit: time goes on from there', { behindMs })
    })
    // Of two runs of one id the later one has the higher run id, also over restarts within a millisecond.
    this.#idsFromMs = Math.max(floorMs, this.#idsFromMs) + 1
    this.newRunId = runIdSource(this.clock, random, this.#idsFromMs - 1)
  }

  /** Reads from the store what has to go on. */
  async start(): Promise<void> {
    const generation = this.#generation
    const { store, cluster } = this.options
    // In a cluster a session is given its shards when it is there.
    if (cluster !== undefined) this.ownership.clear()
    this.mailbox.reset()
    // Executions may ask for tasks as soon as they run.
    const outbox = cluster === undefined ? store.outbox(Number.MAX_SAFE_INTEGER) : []
    const [sent] = await Promise.all([outbox, this.#openDesks(generation)])
    if (!this.isCurrent(generation)) return
    this.mailbox.load(sent)
    this.#startTimers()
    this.schedules.open().catch((error) => generation === this.#generation && this.fail(error))
    if (cluster !== undefined) cluster.started()
    else recover(this, () => this.isCurrent(generation)).catch((error) => this.fail(error))
  }

  /** Shards are taken in as soon as tasks are open: by then nothing of the start is left to be waited for. */
  async #openDesks(generation: number): Promise<void> {
    await this.registry.load()
    if (this.isCurrent(generation)) await this.tasks.open()
  }

  #startTimers(): void {
    this.#timers = timersOf(this)
    this.#timers.start()
  }

  /** Timers of these shards are fired too, from now on. */
  async includeTimers(shards: readonly number[]): Promise<void> {
    const { cluster } = this.options
    if (cluster !== undefined) await this.#timers?.include((page) => cluster.reads.timersOf(shards, page))
  }

  /** Rises when everything in memory is dropped. */
  get generation(): number {
    return this.#generation
  }

  /** Nothing was dropped since, and the engine runs. */
  isCurrent(generation: number): boolean {
    return generation === this.#generation && this.#state === 'running'
  }

  /** Drops everything that is not durable and starts over from the store, in the session that is registered now. */
  async startOver(error: Error): Promise<void> {
    // It may have failed while a commit was being settled.
    if (this.#state === 'failed' || this.#state === 'closed') return
    this.#generation += 1
    this.#timers?.stop()
    this.#timers = undefined
    this.tasks.reset()
    this.schedules.reset()
    for (const execution of this.table.clear()) {
      this.transitions.deactivate(execution)
      this.updates.dropped(execution, error)
    }
    this.committer.dropAll(error)
    this.tellWaiters()
    await this.start()
  }

  /** The session was found to be fenced. A commit that is in flight tells it too, unless it was faster than the fence. */
  sessionLost(session: Session): void {
    if (this.session !== session || this.#state !== 'running') return
    this.#isLost = this.committer.isCommitting
    if (this.#isLost) return
    sessionLost(this).catch((error) => this.fail(error))
  }

  /** Throws unless calls are taken. */
  assertOpen(): void {
    if (this.#failure !== undefined)
      throw new PerdureError('ENGINE_FAILED', 'the engine has stopped', { cause: this.#failure })
    if (this.#state !== 'running') throw new PerdureError('ENGINE_CLOSED', 'the engine is closed')
  }

  assertIntake(): void {
    this.assertOpen()
    if (this.committer.isOverloaded)
      throw new PerdureError('OVERLOADED', 'too much work is not committed yet')
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  get isFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Nothing runs, nothing is to be committed: only time or a call can make something happen. */
  get isQuiet(): boolean {
    return this.#isDrained && !this.mailbox.isHolding
  }

  /** Nothing is left to wait for before `close`: messages held for a start that never ends are in the outbox. */
  get #isDrained(): boolean {
    const { worker } = this.options
    return (
      worker.isQuiet &&
      this.committer.isIdle &&
      this.tasks.isIdle &&
      this.schedules.isIdle &&
      !this.mailbox.isDelivering
    )
  }

  /**
   * Takes no more calls, starts no more steps, waits for those that run (at most `graceMs`), commits, closes. Steps that
   * had not settled run again after the next start.
   */
  async close(graceMs: number): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'closing') return
    const { worker, store, clock } = this.options
    const error = new PerdureError('ENGINE_CLOSED', 'the engine is closed')
    if (this.#state === 'running') {
      this.#state = 'closing'
      const endMs = this.clock.nowMs() + graceMs
      while (!this.#isDrained && this.clock.nowMs() < endMs && this.#failure === undefined)
        await new Promise<void>((resolve) => void clock.after(2, resolve))
      this.#timers?.stop()
      this.schedules.stop()
      // What is still being read would go on from the store, which lacks what is not committed yet.
      this.#generation += 1
      this.mailbox.reset()
      for (const execution of this.table.close()) {
        this.transitions.deactivate(execution)
        this.updates.dropped(execution, error)
      }
      this.tasks.attempts.abortAll(platformFailure('ENGINE_CLOSED', 'the engine closes'))
      const { committer, audit } = this
      // Without a trail nothing is owed to anybody that code in a turn keeps from its commit.
      const wasBusy = worker.busyRuns > 0
      if (this.#failure === undefined && (audit !== undefined || !wasBusy)) {
        this.#isCodeLeft = true
        await commitLast({ committer, audit, clock, wasBusy }, endMs - this.clock.nowMs())
      }
    }
    this.#state = 'closed'
    this.audit?.stop()
    this.tasks.reset()
    this.schedules.reset()
    this.committer.end(error)
    for (const waiters of this.#waiters()) waiters.failAll(error)
    await this.options.cluster?.stop()
    await store.close()
  }

  /** A broken invariant or a failure that cannot be settled: the engine stops, and no answer leaves it. */
  fail(cause: unknown): void {
    if (this.#state === 'failed' || this.#state === 'closed') return
    this.#state = 'failed'
    this.#failure = cause instanceof Error ? cause : new Error(String(cause))
    const error = new PerdureError('ENGINE_FAILED', `the engine has stopped: ${this.#failure.message}`, {
      cause,
    })
    this.options.logger.error('engine stopped', { error: this.#failure })
    this.audit?.stop()
    this.#timers?.stop()
    this.committer.halt()
    for (const execution of this.table.clear()) {
      this.transitions.deactivate(execution)
      this.updates.dropped(execution, error)
    }
    this.tasks.reset()
    this.schedules.reset()
    this.committer.end(error)
    for (const waiters of this.#waiters()) waiters.failAll(error)
    this.options.onFailed?.(error)
  }

  guarded<A extends unknown[]>(call: (...args: A) => void): (...args: A) => void {
    return guardedBy((error) => this.fail(error), call)
  }

  onTurn(reports: readonly TurnReport<LiveExecution>[]): void {
    try {
      for (const report of reports) {
        // An earlier report of this turn may have ended it.
        if (report.owner.run !== undefined) takeReport(this, report)
      }
      this.committer.onTurnEnd()
    } catch (error) {
      this.fail(error)
    }
  }

  onStepCompleted(execution: LiveExecution, step: StepDispatch, result: Payload): void {
    const { op, attempt } = step
    this.options.metrics?.executions.stepEnded(execution, step, false)
    this.#onStep(execution, { type: 'step-completed', op, attempt, result })
  }

  onStepFailed(execution: LiveExecution, step: StepDispatch, failure: Failure): void {
    const { op, attempt } = step
    const random = this.options.random()
    this.options.metrics?.executions.stepEnded(execution, step, true)
    this.#onStep(execution, { type: 'step-failed', op, attempt, failure, random })
  }

  /** Loads the execution anew, so that its code is replayed: once all that is known of it is committed. */
  reload(execution: LiveExecution): void {
    reloadExecution(this, execution)
  }

  codeIdle({ state }: LiveExecution): void {
    if (this.codeIdles.size > 0) this.codeIdles.tell(state.runId, undefined)
  }

  onRunsLost(executions: readonly LiveExecution[]): void {
    if (this.#state === 'running') loseRuns(this, executions)
  }

  onCodeArrived(code: readonly ArrivedCode[]): void {
    const generation = this.#generation
    const isWanted = (): boolean => this.isCurrent(generation)
    tryParked(this, code, isWanted).catch((error) => isWanted() && this.fail(error))
  }

  #onStep(execution: LiveExecution, command: Command): void {
    if (execution.run === undefined || this.#failure !== undefined) return
    try {
      this.transitions.apply(execution, command)
      this.transitions.finish(execution)
    } catch (error) {
      this.fail(error)
    }
  }

  /** They look again at what they wait for. */
  tellWaiters(): void {
    for (const waiters of this.#waiters()) waiters.tellAll()
  }

  #waiters() {
    return [this.watchers, this.ends, this.taskEnds, this.codeIdles]
  }

  withIds(command: WorkflowCommand): WorkflowCommand {
    return withIds(this, command)
  }

  /** Folds and writes a batch under the next number of the session. */
  commitAs(builder: BatchBuilder, isAwaited = false): Promise<CommitOutcome> {
    this.#batchSeq += 1
    this.counters.commits += 1
    this.counters.rows += builder.rows
    const atMs = Math.max(this.clock.nowMs(), this.#idsFromMs)
    const { store, audit, metrics } = this.options
    const batch = builder.fold(this.session, this.#batchSeq, atMs, audit?.seal)
    const outcome = store.commit(isAwaited ? { ...batch, isAwaited } : batch)
    metrics?.commits.began(outcome, builder)
    return audit === undefined || batch.audit === undefined ? outcome : told(audit, batch.audit, outcome)
  }

  get batchSeq(): number {
    return this.#batchSeq
  }

  #onCommitted(batch: OpenBatch<LiveExecution>): void {
    batch.listener?.committed()
    for (const timer of batch.timers) this.#timers?.armed(timer)
    committedExecutions(this, batch)
    this.tasks.queues.askAgain()
    if (this.#isLost) this.sessionLost(this.session)
  }

  #onNews(execution: LiveExecution, kind: NewsKind): void {
    if (kind === 'ended') this.updates.closed(execution)
    this.onNews?.(execution, kind)
  }

  #onLoaded({ execution, history }: LoadedExecution): void {
    this.transitions.activate(execution, history)
  }
}
