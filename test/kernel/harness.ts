/**
 * Plays the engine's part around the kernel and the embedded worker, without a store: a list of events is the journal,
 * and the test decides when the worker has a turn, what completes next, and after which event the process dies.
 *
 * 1. `turn` runs one turn of the worker and reports it, as the engine does; nothing else runs workflow code.
 * 2. `recover` knows nothing but events: it is what a new process gets.
 */
import { decide } from '../../src/core/execution/decide.ts'
import type { Command, Decision, Effect } from '../../src/core/execution/decision.ts'
import { evolve, evolveTransient } from '../../src/core/execution/evolve.ts'
import { nextHumanTime } from '../../src/core/execution/human/human-state.ts'
import { type ExecutionState, emptyState } from '../../src/core/execution/state.ts'
import { DEADLINE_TIMER } from '../../src/core/execution/timer-ids.ts'
import { withoutWithdrawn } from '../../src/engine/live-table.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import {
  type Event,
  type ExecutionStarted,
  isDelivered,
  type SequencedEvent,
} from '../../src/protocol/event.ts'
import { isClosed } from '../../src/protocol/execution-status.ts'
import { type Failure, platformFailure } from '../../src/protocol/failure.ts'
import { type RunId, runIdOf } from '../../src/protocol/ids.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import { decodePayload, encodePayload } from '../../src/protocol/payload.ts'
import type { TurnReport } from '../../src/protocol/worker-port.ts'
import type { WorkflowCommand } from '../../src/protocol/workflow-command.ts'
import type { Workflow } from '../../src/sdk/definition.ts'
import { EmbeddedWorker } from '../../src/sdk/runtime/embedded-worker.ts'
import type { LiveRun } from '../../src/sdk/runtime/live-run.ts'

export const START_MS = 1_700_000_000_000
export const KEY = { namespace: 'default', workflowId: 'w' }

/** Run ids are inputs of the kernel: here the operation that asks for one decides it. */
export function runIdFor(number: number): RunId {
  const digits = Array.from({ length: 16 }, (_, i) => Math.floor(number / 32 ** (15 - i)) % 32)
  return runIdOf(START_MS, digits)
}

const RUN_ID = runIdFor(0)

export interface HarnessOptions {
  readonly limits?: Limits
  readonly started?: Partial<Omit<ExecutionStarted, 'at' | 'type'>>
}

export class KernelHarness {
  readonly workflow: Workflow
  readonly state: ExecutionState
  readonly journal: Event[] = []
  readonly effects: Effect[] = []
  readonly sent: Message[] = []
  /** Every command that the code reported. */
  readonly commands: WorkflowCommand[] = []
  /** What live code did that is not journaled. */
  readonly droppedOps = new Set<number>()
  readonly consumedSignals = new Set<number>()
  readonly timers = new Map<number, number>()
  /** Step functions that run now, by operation: the attempt. */
  readonly runningSteps = new Map<number, number>()
  readonly logged: string[] = []
  nowMs = START_MS
  /** Set when the code does not match the history. */
  nondeterminism: Failure | undefined
  #worker: EmbeddedWorker<undefined>
  #run: LiveRun<undefined> | undefined
  #deferred: (() => void) | undefined
  readonly #limits: Limits

  constructor(workflow: Workflow, limits: Limits = DEFAULT_LIMITS) {
    this.workflow = workflow
    this.#limits = limits
    this.state = emptyState(RUN_ID)
    this.#worker = this.#newWorker()
  }

  static start(workflow: Workflow, input?: unknown, options: HarnessOptions = {}): KernelHarness {
    const harness = new KernelHarness(workflow, options.limits)
    const { name, version } = workflow
    const started = { key: KEY, workflow: name, version, input: encodePayload(input), ...options.started }
    const isDue = started.notBefore === undefined || started.notBefore <= harness.nowMs
    if (isDue) harness.#activate([])
    harness.apply({ type: 'start', started })
    return harness
  }

  /** A new process that has the journal up to where the old one died. */
  static recover(workflow: Workflow, journal: readonly Event[], limits?: Limits): KernelHarness {
    const harness = new KernelHarness(workflow, limits)
    for (const event of journal) {
      // What is read from a store is a copy.
      const stored = JSON.parse(JSON.stringify(event)) as Event
      evolve(harness.state, stored)
      harness.journal.push(stored)
      harness.nowMs = stored.at
    }
    const { state } = harness
    if (isClosed(state.status)) return harness
    harness.#loadTimers()
    if (state.notBefore <= harness.nowMs) harness.#activate(harness.history())
    return harness
  }

  /** Dies and comes back. */
  recovered(): KernelHarness {
    return KernelHarness.recover(this.workflow, this.journal, this.#limits)
  }

  history(): readonly SequencedEvent[] {
    return withoutWithdrawn(this.journal.map((event, i) => ({ seq: i + 1, event })))
  }

  /** What the workflow returned, if it did. */
  get result(): unknown {
    const { terminal } = this.state
    return terminal?.type === 'execution-completed' ? decodePayload(terminal.result) : undefined
  }

  get isClosed(): boolean {
    return isClosed(this.state.status)
  }

  /** The worker has something to run or to report. */
  get hasTurn(): boolean {
    return this.#deferred !== undefined && this.nondeterminism === undefined
  }

  /** One turn of the worker, and all microtasks after it. False if there was nothing to do. */
  async turn(): Promise<boolean> {
    const call = this.#deferred
    if (call === undefined || this.nondeterminism !== undefined) return false
    this.#deferred = undefined
    call()
    await new Promise<void>((resolve) => void setImmediate(resolve))
    return true
  }

  async untilQuiet(): Promise<this> {
    while (await this.turn());
    return this
  }

  apply(command: Command): Decision {
    const decision = decide(this.state, command, { now: this.nowMs, limits: this.#limits })
    for (const fact of decision.transient) {
      evolveTransient(this.state, fact)
      if (fact.type === 'op-dropped') this.droppedOps.add(fact.op)
      if (fact.type === 'signal-consumed') this.consumedSignals.add(fact.seq)
    }
    for (const event of decision.events) {
      evolve(this.state, event)
      this.journal.push(event)
      if (isDelivered(event)) this.#run?.deliver(this.state.seq, event)
      if (event.type === 'execution-parked') this.#evict()
      if ('op' in event && event.op !== undefined && event.type.startsWith('step-'))
        this.runningSteps.delete(event.op)
    }
    for (const effect of decision.effects) this.#perform(effect)
    if (this.isClosed) this.#evict()
    else if (decision.events.some(({ type }) => type === 'child-withdrawn')) this.replay()
    return decision
  }

  /** The code of a parked, retried or due execution is replayed. */
  replay(): void {
    this.#evict()
    this.#activate(this.history())
  }

  /** A restart that finds no code parks the execution; the next one has the code again. */
  parkForMissingCode(): void {
    this.apply({ type: 'park', failure: platformFailure('EXECUTION_PARKED', 'no code is registered') })
    this.replay()
  }

  /** Goes on after a failure, or from where it was parked. */
  retry(): Decision {
    const decision = this.apply({ type: 'retry' })
    if (decision.rejected === undefined) this.replay()
    return decision
  }

  signal(name: string, value?: unknown, requestId?: string): Decision {
    return this.apply({ type: 'signal', name, payload: encodePayload(value), requestId })
  }

  completeStep(op: number, value?: unknown, attempt = 1): Decision {
    return this.apply({ type: 'step-completed', op, attempt, result: encodePayload(value) })
  }

  query(name: string): unknown {
    return this.#run?.query(name, encodePayload(undefined))
  }

  validateUpdate(name: string, payload = encodePayload(undefined)): 'accepted' | 'unknown' | Failure {
    return this.#run?.validateUpdate(name, payload) ?? 'unknown'
  }

  #newWorker(): EmbeddedWorker<undefined> {
    const clock = {
      nowMs: () => this.nowMs,
      after: () => () => {},
      defer: (call: () => void) => {
        this.#deferred = call
      },
    }
    const worker = new EmbeddedWorker<undefined>({ workflows: [this.workflow], clock, logger: silentLogger })
    worker.connect({
      onTurn: (reports) => {
        for (const report of reports) this.#onReport(report)
      },
      onStepCompleted: () => {
        throw new Error('the test completes steps itself')
      },
      onStepFailed: () => {
        throw new Error('the test fails steps itself')
      },
    })
    return worker
  }

  #activate(history: readonly SequencedEvent[]): void {
    const { name: workflow, version } = this.workflow
    const info = { key: KEY, runId: RUN_ID, workflow, version }
    this.#run = this.#worker.activate({ owner: undefined, info, history })
  }

  #evict(): void {
    if (this.#run === undefined) return
    this.runningSteps.clear()
    this.#run.evict()
    this.#run = undefined
  }

  #onReport(report: TurnReport<undefined>): void {
    if (this.#run === undefined) return
    if (report.parked !== undefined) {
      this.nondeterminism = report.parked
      this.#evict()
      return
    }
    if (this.state.status === 'parked') this.apply({ type: 'resume' })
    for (const { message } of report.logs ?? []) this.logged.push(message)
    for (const command of report.commands) {
      this.commands.push(command)
      this.apply({ type: 'workflow', command: withRunId(command) })
    }
  }

  #perform(effect: Effect): void {
    this.effects.push(effect)
    if (effect.kind === 'run-step') this.runningSteps.set(effect.op, effect.attempt)
    if (effect.kind === 'abort-step') this.runningSteps.delete(effect.op)
    if (effect.kind === 'arm-timer') this.timers.set(effect.timer, effect.dueAt)
    if (effect.kind === 'drop-timer') this.timers.delete(effect.timer)
    if (effect.kind === 'send') this.sent.push(effect.message)
  }

  /** The timer rows of the store, as the journal implies them. */
  #loadTimers(): void {
    for (const [op, pending] of this.state.ops) {
      if (pending.kind === 'sleep' || pending.kind === 'wait') this.timers.set(op, pending.dueAt)
      if (pending.kind === 'step') this.timers.set(op, pending.retryAt)
      const humanAt = pending.kind === 'human' ? nextHumanTime(pending) : undefined
      if (humanAt !== undefined) this.timers.set(op, humanAt)
    }
    if (this.state.deadlineAt !== undefined) this.timers.set(DEADLINE_TIMER, this.state.deadlineAt)
  }
}

function withRunId(command: WorkflowCommand): WorkflowCommand {
  if (command.kind === 'child') return { ...command, newRunId: runIdFor(command.op) }
  if (command.kind === 'task') return { ...command, task: 1_000 + command.op }
  if (command.kind === 'continue') return { ...command, newRunId: runIdFor(1_000_000) }
  return command
}
