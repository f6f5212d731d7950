/**
 * One run of workflow code: replays its history, then lives on what is delivered.
 *
 * 1. Each turn delivers one event; then microtasks drain; then `endTurn` takes what the code asked for.
 * 2. Live and in replay the same events arrive in the same order, so the code makes the same operations with the same
 *    numbers. `ReplayCheck` holds it against the history.
 * 3. Only `deliver` settles promises. Code that calls `ctx` outside of its turn awaited something foreign: it is parked.
 */
import type { LogFields } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import {
  type DeliveredEvent,
  type ExecutionStarted,
  isDelivered,
  type SequencedEvent,
} from '../../protocol/event.ts'
import { errorOf, type Failure, failureOf, platformFailure } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import { OperationMap } from '../../protocol/operation-map.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type { RetryPolicy } from '../../protocol/retry-policy.ts'
import type { CallResult, LogRecord, RunInfo, TurnReport } from '../../protocol/worker-port.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import { checkedPayload } from '../checked-payload.ts'
import type { WorkflowContext } from '../context.ts'
import type { Workflow } from '../definition.ts'
import { failureOfHumanTask } from '../people/human-results.ts'
import { validateSync } from '../standard-schema.ts'
import { ContinueAsNew } from './continue-as-new.ts'
import { floatingRecord, rejectedQuietly, takeFloating } from './floating-rejections.ts'
import type { OperationKind, PendingOperation, StepFunction } from './operation.ts'
import { Patches } from './patches.ts'
import { answerQuery } from './query-handlers.ts'
import { assertReadable } from './readable-event.ts'
import { isBeforeStart, ReplayCheck } from './replay-check.ts'
import { Scope } from './scope.ts'
import { SignalInbox } from './signal-inbox.ts'
import { UpdateHandlers } from './update-handlers.ts'

export interface RunHost {
  readonly limits: Limits
  createContext(run: WorkflowRun, scope: Scope): WorkflowContext
  /** Runs user code inside the guards for forbidden globals, where they are on. */
  enter<T>(run: WorkflowRun, call: () => T): T
}

export interface IssueOptions {
  readonly command: ((op: number) => WorkflowCommand) | undefined
  readonly timeoutMs?: number | undefined
}

/** Never pushed to: see `command`. */
const NO_COMMANDS: WorkflowCommand[] = []

/** Which operation an error came from, and how many operations its run had made then. */
const errorOrigins = new WeakMap<object, { readonly op: number; readonly nextOp: number }>()

export class WorkflowRun {
  readonly info: RunInfo
  readonly host: RunHost
  readonly pending = new OperationMap<PendingOperation>()
  readonly #definition: Workflow
  readonly #root = new Scope()
  #queue: SequencedEvent[]
  #queueHead = 0
  #replay: ReplayCheck | undefined
  readonly #replayEndSeq: number
  /** Code may have run up to here before. */
  readonly #ranToSeq: number
  #commands: WorkflowCommand[] = NO_COMMANDS
  #logs: LogRecord[] | undefined
  #nextOp = 1
  #positionSeq = 0
  #nowMs = 0
  #mode: 'active' | 'waiting' | 'reading' | 'ended' = 'waiting'
  #parked: Failure | undefined
  #started = false
  // Most runs need none of these: they are made on first use.
  #updates: UpdateHandlers | undefined
  #queries: Map<string, (input: unknown) => unknown> | undefined
  #signals: SignalInbox | undefined
  #patches: Patches | undefined

  constructor(definition: Workflow, info: RunInfo, history: readonly SequencedEvent[], host: RunHost) {
    this.#definition = definition
    this.info = info
    this.host = host
    this.#queue = [...history]
    this.#replayEndSeq = history.at(-1)?.seq ?? 0
    this.#ranToSeq = isBeforeStart(history) ? 0 : this.#replayEndSeq
    if (history.length > 0) this.#replay = new ReplayCheck(history)
  }

  get hasWork(): boolean {
    return this.#mode !== 'ended' && (this.#queueHead < this.#queue.length || this.#replay !== undefined)
  }

  get updates(): UpdateHandlers {
    this.#updates ??= new UpdateHandlers(this)
    return this.#updates
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get isEnded(): boolean {
    return this.#mode === 'ended'
  }

  /** Number of the next operation. */
  get nextOp(): number {
    return this.#nextOp
  }

  /** A query handler or validator runs: it is never replayed. */
  get isReading(): boolean {
    return this.#mode === 'reading'
  }

  push(seq: number, event: DeliveredEvent): void {
    if (this.#queueHead < this.#queue.length) this.#queue.push({ seq, event })
    else {
      this.#queue = [{ seq, event }]
      this.#queueHead = 0
    }
  }

  /** Delivers the next event that settles something; history that only records is checked on the way. */
  beginTurn(): void {
    if (this.#mode === 'ended' || this.#parked !== undefined) return
    this.#mode = 'active'
    try {
      while (this.#queueHead < this.#queue.length) {
        const next = this.#queue[this.#queueHead++]
        if (next === undefined) break
        if (next.seq <= this.#replayEndSeq) this.#replay?.verify(next.seq, next.event, this.#commands)
        this.#positionSeq = next.seq
        if (!isDelivered(next.event)) continue
        this.#deliver(next.seq, next.event)
        break
      }
    } catch (error) {
      this.park(failureOf(error))
    }
    if (this.#queueHead > 1024 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#queueHead)
      this.#queueHead = 0
    }
  }

  /** The microtasks of the turn have drained: code that goes on before the next turn awaited something foreign. */
  seal(): void {
    if (this.#mode === 'active') this.#mode = 'waiting'
  }

  /** After the microtasks of a turn. Undefined while history is still being replayed. */
  endTurn<Owner>(owner: Owner): TurnReport<Owner> | undefined {
    if (this.#mode === 'active') this.#mode = 'waiting'
    const idle = this.#queueHead >= this.#queue.length
    if (this.#parked !== undefined) return { owner, commands: [], parked: this.#parked, idle }
    if (this.#replay !== undefined) {
      if (!idle && (this.#queue[this.#queueHead]?.seq ?? 0) <= this.#replayEndSeq) return undefined
      this.#commands = this.#replay.unanswered(this.#commands, (op) => this.pending.has(op))
      this.#replay = undefined
    }
    if (idle && this.#isStuck()) {
      const parked = platformFailure(
        'FOREIGN_PROMISE',
        `workflow ${this.info.workflow} awaits a promise that no operation of ctx settles, so nothing recorded can wake it`,
      )
      this.park(parked)
      return { owner, commands: [], parked, idle }
    }
    // The code has ended; by now Node has told which floating rejections were awaited after all.
    if (!this.#started) for (const error of takeFloating(this)) this.log(floatingRecord(error))
    const commands = this.#commands
    if (commands.length > 0) this.#commands = NO_COMMANDS
    const logs = this.#logs
    if (logs === undefined) return { owner, commands, idle }
    this.#logs = undefined
    return { owner, commands, logs, idle }
  }

  end(): void {
    this.#mode = 'ended'
  }

  park(failure: Failure): void {
    this.#parked ??= failure
  }

  /** A step: `issue` without its closures, since this is the hottest path. */
  issueStep(
    scope: Scope,
    name: string,
    run: StepFunction,
    retry: RetryPolicy | undefined,
    timeoutMs: number | undefined,
  ): Promise<unknown> {
    const op = this.takeNumber('step', name)
    if (scope.reason !== undefined) return this.#cancelled(op, scope.reason)
    this.command(retry === undefined ? { kind: 'step', op, name } : { kind: 'step', op, name, retry })
    return new Promise((resolve, reject) => {
      this.pending.set(op, {
        kind: 'step',
        name,
        scope,
        resolve,
        reject,
        run,
        timeoutMs,
        attempt: undefined,
      })
    })
  }

  /** Makes an operation: gives it its number, asks the engine for it, and returns the promise of its completion. */
  issue<T>(
    scope: Scope,
    kind: OperationKind,
    name: string,
    options: IssueOptions,
  ): { readonly op: number; readonly promise: Promise<T> } {
    const op = this.takeNumber(kind, name)
    if (scope.reason !== undefined) return { op, promise: this.#cancelled(op, scope.reason) }
    const { timeoutMs, command } = options
    const promise = new Promise<unknown>((resolve, reject) => {
      const settled = { scope, resolve, reject, run: undefined, attempt: undefined }
      this.pending.set(op, { kind, name, timeoutMs, sinceMs: this.#nowMs, ...settled })
    })
    if (command !== undefined) this.command(command(op))
    // The one cast: what an operation resolves with was recorded by the same code.
    return { op, promise: promise as Promise<T> }
  }

  /** An operation in a scope that was cancelled before. */
  #cancelled(op: number, reason: string): Promise<never> {
    this.#replay?.unasked(op, 'in a cancelled scope')
    return rejectedQuietly(new PerdureError('CANCELLED', reason))
  }

  takeNumber(kind: OperationKind, name: string): number {
    this.assertActive(kind)
    if (this.pending.size >= this.host.limits.pendingOperations) {
      throw new PerdureError('TOO_MANY_OPERATIONS', `${this.pending.size} operations are pending`)
    }
    const op = this.#nextOp++
    this.#replay?.issued(op, kind, name)
    return op
  }

  command(command: WorkflowCommand): void {
    // A push to an empty array makes room for many: most turns ask for one thing.
    if (this.#commands.length === 0) this.#commands = [command]
    else this.#commands.push(command)
  }

  warn(message: string, fields: LogFields): void {
    this.log({ level: 'warn', message, fields })
  }

  log(record: LogRecord): void {
    if (this.#positionSeq <= this.#ranToSeq) return
    this.#logs ??= []
    this.#logs.push(record)
  }

  assertActive(what: string): void {
    if (this.#mode === 'active') return
    if (this.#mode === 'reading') {
      throw new PerdureError(
        'NONDETERMINISTIC_CALL',
        `ctx.${what} was called from a query handler or validator, which may only read`,
      )
    }
    const error = new PerdureError(
      'FOREIGN_PROMISE',
      `ctx.${what} was called within a function of ctx.step, or after workflow code awaited something that is not an operation of ctx`,
    )
    if (this.#mode === 'waiting') this.#parkNow(error)
    throw error
  }

  waitFor(scope: Scope, name: string, timeoutMs: number | undefined): Promise<unknown> {
    const buffered = scope.reason === undefined ? this.#signals?.take(name) : undefined
    if (buffered !== undefined) {
      const op = this.takeNumber('wait', name)
      this.#replay?.unasked(op, 'that took a signal at once')
      this.command({ kind: 'consume', seq: buffered.seq })
      return Promise.resolve(decodePayload(buffered.payload))
    }
    const command =
      timeoutMs === undefined
        ? undefined
        : (op: number) => ({ kind: 'wait' as const, op, signal: name, timeoutMs })
    const { op, promise } = this.issue<unknown>(scope, 'wait', name, { command, timeoutMs })
    if (!this.pending.has(op)) return promise
    if (timeoutMs === undefined) this.#replay?.unasked(op, 'without a time limit')
    this.#signals ??= new SignalInbox()
    this.#signals.wait(name, op)
    return promise
  }

  cancelScope(scope: Scope, reason: string): void {
    if (!scope.cancel(reason)) return
    for (const [op, pending] of [...this.pending]) {
      if (!scope.reaches(pending.scope)) continue
      this.pending.delete(op)
      if (pending.kind === 'child') this.command({ kind: 'cancel-child', op, reason })
      else if (pending.kind !== 'wait' || pending.timeoutMs !== undefined) this.command({ kind: 'drop', op })
      const error = new PerdureError('CANCELLED', reason)
      pending.attempt?.abort(error)
      this.#reject(pending, op, error)
    }
  }

  onQuery(name: string, answer: (input: unknown) => unknown): void {
    this.#queries ??= new Map()
    this.#queries.set(name, answer)
  }

  patched(id: string): boolean {
    this.#patches ??= new Patches(this.#replay?.history ?? [])
    const known = this.#patches.answerOf(id)
    if (known !== undefined) return known
    const place = { positionSeq: this.#positionSeq, nextOp: this.#nextOp, commands: this.#commands }
    const isNew = this.#patches.decide(id, place)
    if (isNew && !this.#patches.isMarked(id)) this.command({ kind: 'patch', id })
    return isNew
  }

  query(name: string, input: Payload): CallResult {
    return answerQuery(this, this.#queries, name, input)
  }

  /** Runs code that may only read. */
  read<T>(call: () => T): T {
    const mode = this.#mode
    this.#mode = 'reading'
    try {
      return this.host.enter(this, call)
    } finally {
      this.#mode = mode
    }
  }

  enter<T>(call: () => T): T {
    return this.host.enter(this, call)
  }

  encode(value: unknown): Payload {
    return checkedPayload(value, this.host.limits, this)
  }

  #deliver(seq: number, event: DeliveredEvent): void {
    this.#nowMs = Math.max(this.#nowMs, event.at)
    assertReadable(event)
    switch (event.type) {
      case 'execution-started':
        return this.#start(event)
      case 'step-completed':
      case 'child-completed':
      case 'task-completed':
        return this.#settle(event.op, (pending) => pending.resolve(decodePayload(event.result)))
      case 'step-failed':
      case 'child-failed':
      case 'task-failed':
        return this.#settle(event.op, (pending) => this.#reject(pending, event.op, errorOf(event.failure)))
      case 'human-task-closed':
        return this.#settle(event.op, (pending) => {
          const failure = failureOfHumanTask(pending.kind === 'approval' ? 'approval' : 'human', event)
          if (failure === undefined) pending.resolve(event)
          else this.#reject(pending, event.op, errorOf(failure))
        })
      case 'timer-fired':
        return this.#settle(event.op, (pending) => pending.resolve(undefined))
      case 'signal-received':
        return this.#signal(seq, event.name, event.payload)
      case 'update-accepted':
        return this.updates.handle(event)
      case 'cancel-requested':
        return this.cancelScope(this.#root, event.reason)
    }
  }

  #start(event: ExecutionStarted): void {
    this.#nowMs = Math.max(event.at, event.notBefore ?? 0)
    this.#started = true
    const ctx = this.host.createContext(this, this.#root)
    const input = decodePayload(event.input)
    const failed = (error: unknown): void => this.#finish(() => this.#ending(error))
    let result: unknown
    try {
      result = this.host.enter(this, () => this.#definition.run(ctx, input))
    } catch (error) {
      failed(error)
      return
    }
    Promise.resolve(result).then((value) => this.#finish(() => this.#completion(value)), failed)
  }

  /** Whether code that ends now does so in its turn; if not, it awaited something foreign, and the run is parked. */
  endsInTurn(what: string): boolean {
    if (this.#mode === 'waiting')
      this.#parkNow(
        new PerdureError(
          'FOREIGN_PROMISE',
          `${what} ended after it awaited something that is not an operation of ctx`,
        ),
      )
    return this.#mode === 'active'
  }

  #finish(command: () => WorkflowCommand): void {
    if (!this.endsInTurn('workflow code')) return
    try {
      this.command(command())
    } catch (error) {
      this.command({ kind: 'fail', failure: failureOf(error) })
    }
    this.#started = false
  }

  #completion(value: unknown): WorkflowCommand {
    const schema = this.#definition.outputSchema
    const output =
      schema === undefined
        ? value
        : validateSync(schema, value, 'OUTPUT_INVALID', `the result of workflow ${this.info.workflow}`)
    return { kind: 'complete', result: this.encode(output) }
  }

  #ending(error: unknown): WorkflowCommand {
    if (error instanceof ContinueAsNew) return { kind: 'continue', input: this.encode(error.input) }
    const reason = this.#root.reason
    if (reason !== undefined && error instanceof PerdureError && error.code === 'CANCELLED')
      return { kind: 'cancelled', reason }
    const failure = failureOf(error)
    const origin = typeof error === 'object' && error !== null ? errorOrigins.get(error) : undefined
    if (origin === undefined) return { kind: 'fail', failure }
    return { kind: 'fail', failure, op: origin.op, operationsAfter: this.#nextOp - origin.nextOp }
  }

  #settle(op: number, settle: (pending: PendingOperation) => void): void {
    const pending = this.pending.get(op)
    if (pending === undefined) {
      // An operation that the code no longer waits for: its scope was cancelled before this event was delivered.
      if (op < this.#nextOp) return
      throw new PerdureError(
        'NONDETERMINISM',
        `an event settles operation ${op}, but the code made only ${this.#nextOp - 1}`,
      )
    }
    this.pending.delete(op)
    if (pending.kind === 'wait') this.#signals?.forget(pending.name, op)
    settle(pending)
  }

  #reject(pending: PendingOperation, op: number, error: Error): void {
    errorOrigins.set(error, { op, nextOp: this.#nextOp })
    // Inside the run: if nobody awaits it yet, the rejection is known to be the run's.
    this.host.enter(this, () => pending.reject(error))
  }

  #signal(seq: number, name: string, payload: Payload): void {
    this.#signals ??= new SignalInbox()
    for (;;) {
      const op = this.#signals.nextWaiter(name)
      if (op === undefined) break
      const pending = this.pending.get(op)
      if (pending === undefined) continue
      this.pending.delete(op)
      this.command({ kind: 'consume', seq })
      if (pending.timeoutMs !== undefined) this.command({ kind: 'drop', op })
      pending.resolve(decodePayload(payload))
      return
    }
    this.#signals.keep(name, { seq, payload })
  }

  #isStuck(): boolean {
    if (!this.#started || this.pending.size > 0) return false
    return this.#updates?.canResolve !== true && !this.#root.hasAbortSignal
  }

  /** Parks the run for something that its code must not do; the error is for the code. */
  refuse(error: PerdureError): PerdureError {
    if (this.#mode !== 'ended') this.#parkNow(error)
    return error
  }

  /** It wants to report outside of a turn. A run that is only replayed reports to nobody. */
  protected wake(): void {}

  #parkNow(error: PerdureError): void {
    this.park(failureOf(error))
    this.wake()
  }
}
