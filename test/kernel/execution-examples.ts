/** Executions in every status, and what can be done to them: material for the specifications of the kernel. */
import { decide } from '../../src/core/execution/decide.ts'
import type { Command, Decision } from '../../src/core/execution/decision.ts'
import { evolve, evolveTransient } from '../../src/core/execution/evolve.ts'
import { type ExecutionState, emptyState } from '../../src/core/execution/state.ts'
import type { EventType, ExecutionStarted } from '../../src/protocol/event.ts'
import type { ExecutionStatus } from '../../src/protocol/execution-status.ts'
import type { Failure } from '../../src/protocol/failure.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/protocol/limits.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { WorkflowCommand } from '../../src/protocol/workflow-command.ts'
import { KEY, runIdFor } from './harness.ts'

export const T0 = 1000
export const FAILURE: Failure = { kind: 'application', name: 'Error', message: 'it did not work' }
export const PAYLOAD = encodePayload('payload')

/** A state that is driven by commands, as a shell would. */
export class Execution {
  readonly state: ExecutionState = emptyState(runIdFor(0))
  nowMs = T0
  limits: Limits = DEFAULT_LIMITS

  static started(started: Partial<Omit<ExecutionStarted, 'at' | 'type'>> = {}): Execution {
    const execution = new Execution()
    execution.apply(startCommand(started))
    return execution
  }

  decide(command: Command): Decision {
    return decide(this.state, command, { now: this.nowMs, limits: this.limits })
  }

  apply(command: Command): Decision {
    const decision = this.decide(command)
    for (const fact of decision.transient) evolveTransient(this.state, fact)
    for (const event of decision.events) evolve(this.state, event)
    return decision
  }

  /** What workflow code asks for. */
  ask(command: WorkflowCommand): Decision {
    return this.apply({ type: 'workflow', command })
  }

  failStep(op: number, attempt: number, failure: Failure = FAILURE, random = 0.5): Decision {
    return this.apply({ type: 'step-failed', op, attempt, failure, random })
  }

  at(nowMs: number): this {
    this.nowMs = nowMs
    return this
  }
}

export function startCommand(started: Partial<Omit<ExecutionStarted, 'at' | 'type'>> = {}): Command {
  return {
    type: 'start',
    started: { key: KEY, workflow: 'order', version: '1', input: PAYLOAD, ...started },
  }
}

export function childCommand(op: number, closePolicy: 'terminate' | 'cancel' | 'abandon' = 'terminate') {
  return {
    kind: 'child' as const,
    op,
    workflow: 'child',
    version: '2',
    input: PAYLOAD,
    closePolicy,
    newRunId: runIdFor(op),
  }
}

const WAYS: Readonly<Record<ExecutionStatus, readonly Command[]>> = {
  running: [],
  parked: [{ type: 'park', failure: FAILURE }],
  completed: [{ type: 'workflow', command: { kind: 'complete', result: PAYLOAD } }],
  failed: [{ type: 'workflow', command: { kind: 'fail', failure: FAILURE } }],
  cancelled: [{ type: 'workflow', command: { kind: 'cancelled', reason: 'enough' } }],
  terminated: [{ type: 'terminate', reason: 'stop it' }],
  'timed-out': [{ type: 'timer-due', timer: -2 }],
  continued: [{ type: 'workflow', command: { kind: 'continue', input: PAYLOAD, newRunId: runIdFor(99) } }],
}

/**
 * An execution of the given status that has something of everything: step 1 runs, step 2 waits for its next attempt,
 * 3 sleeps, 4 waits for a signal with a limit, 5 is a child, and a signal is queued as event 6.
 */
export function executionThatIs(status: ExecutionStatus): Execution {
  const execution = Execution.started({ timeoutMs: 500, deadlineAt: T0 + 500 })
  execution.ask({ kind: 'step', op: 1, name: 'one' })
  execution.ask({ kind: 'step', op: 2, name: 'two' })
  execution.failStep(2, 1)
  execution.ask({ kind: 'sleep', op: 3, delayMs: 50 })
  execution.ask({ kind: 'wait', op: 4, signal: 'go', timeoutMs: 60 })
  execution.ask(childCommand(5))
  execution.apply({ type: 'signal', name: 'go', payload: PAYLOAD, requestId: 'r1' })
  execution.apply({ type: 'update', updateId: 'u1', name: 'nudge', payload: PAYLOAD })
  execution.at(T0 + 500)
  for (const command of WAYS[status]) execution.apply(command)
  return execution
}

export function typesOf(decision: Decision): EventType[] {
  return decision.events.map(({ type }) => type)
}
