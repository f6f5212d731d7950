import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { copyOfState } from '../../../test/kernel/copy-of-state.ts'
import {
  childCommand,
  Execution,
  executionThatIs,
  FAILURE,
  PAYLOAD,
  startCommand,
  T0,
  typesOf,
} from '../../../test/kernel/execution-examples.ts'
import { runIdFor } from '../../../test/kernel/harness.ts'
import { EXECUTION_STATUSES, type ExecutionStatus, isClosed } from '../../protocol/execution-status.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { DEFAULT_RETRY } from '../../protocol/retry-policy.ts'
import type { Command } from './decision.ts'
import { DEADLINE_TIMER, START_TIMER } from './timer-ids.ts'

const CHILD = { namespace: 'default', workflowId: 'w/5' }
const COMMANDS = {
  start: startCommand(),
  'what code asks for': { type: 'workflow', command: { kind: 'complete', result: PAYLOAD } },
  'step-completed': { type: 'step-completed', op: 1, attempt: 1, result: PAYLOAD },
  'step-failed': { type: 'step-failed', op: 1, attempt: 1, failure: FAILURE, random: 0 },
  'timer-due': { type: 'timer-due', timer: 3 },
  signal: { type: 'signal', name: 'go', payload: PAYLOAD, requestId: 'r2' },
  'the same signal again': { type: 'signal', name: 'go', payload: PAYLOAD, requestId: 'r1' },
  update: { type: 'update', updateId: 'u2', name: 'nudge', payload: PAYLOAD },
  'the same update again': { type: 'update', updateId: 'u1', name: 'nudge', payload: PAYLOAD },
  cancel: { type: 'cancel', reason: 'enough' },
  terminate: { type: 'terminate', reason: 'stop it' },
  fail: { type: 'fail', failure: FAILURE },
  park: { type: 'park', failure: FAILURE },
  resume: { type: 'resume' },
  retry: { type: 'retry' },
  'child-closed': { type: 'child-closed', op: 5, child: CHILD, outcome: { ok: true, result: PAYLOAD } },
} as const satisfies Record<string, Command>

type CommandName = keyof typeof COMMANDS

/** The events of a command, or the code of its refusal; what is not listed changes nothing. */
const OPEN: Partial<Record<CommandName, string>> = {
  'timer-due': 'timer-fired',
  signal: 'signal-received',
  update: 'update-accepted',
  cancel: 'cancel-requested',
  terminate: 'execution-terminated',
  fail: 'execution-failed',
  'child-closed': 'child-completed',
}
const CLOSED: Partial<Record<CommandName, string>> = {
  signal: 'EXECUTION_CLOSED',
  update: 'EXECUTION_CLOSED',
  cancel: 'EXECUTION_CLOSED',
  terminate: 'EXECUTION_CLOSED',
  retry: 'RETRY_IMPOSSIBLE',
}
const RUNNING: Partial<Record<CommandName, string>> = {
  ...OPEN,
  'what code asks for': 'execution-completed',
  'step-completed': 'step-completed',
  'step-failed': 'step-attempt-failed',
  park: 'execution-parked',
  retry: 'RETRY_IMPOSSIBLE',
}
const PARKED: Partial<Record<CommandName, string>> = {
  ...OPEN,
  resume: 'execution-resumed',
  retry: 'execution-resumed',
}

function expectedOf(status: ExecutionStatus): Partial<Record<CommandName, string>> {
  if (status === 'running') return RUNNING
  if (status === 'parked') return PARKED
  return status === 'failed' ? { ...CLOSED, retry: 'execution-reopened' } : CLOSED
}

for (const status of EXECUTION_STATUSES) {
  describe(`an execution that is ${status}`, () => {
    const expected = expectedOf(status)
    for (const name of Object.keys(COMMANDS) as CommandName[]) {
      const outcome = expected[name]
      it(`answers ${name} with ${outcome ?? 'nothing'}`, () => {
        const execution = executionThatIs(status)
        assert.equal(execution.state.status, status)
        const before = copyOfState(execution.state)
        const decision = execution.decide(COMMANDS[name])
        assert.deepEqual(copyOfState(execution.state), before, 'a decision changes nothing by itself')
        assert.equal(decision.rejected?.code ?? typesOf(decision).join(), outcome ?? '')
        if (outcome !== undefined && decision.rejected === undefined) return
        assert.deepEqual([decision.events, decision.transient], [[], []])
        // The row of a timer that nobody waits for would come up again and again.
        const isStray = name === 'timer-due' && isClosed(status)
        assert.deepEqual(decision.effects, isStray ? [{ kind: 'drop-timer', timer: 3 }] : [])
      })
    }
  })
}

describe('1. a closed execution', () => {
  it('has one terminal event, which is its last', () => {
    for (const status of EXECUTION_STATUSES.filter(isClosed)) {
      const { state } = executionThatIs(status)
      assert.equal(state.terminal?.type, `execution-${status}`)
      assert.equal(state.closedAt, T0 + 500)
      assert.equal(state.seq, 8)
    }
  })
})

describe('2. a completion', () => {
  it('counts for the attempt that runs only', () => {
    const execution = executionThatIs('running')
    for (const attempt of [0, 2]) {
      const late: Command = { type: 'step-completed', op: 1, attempt, result: PAYLOAD }
      assert.deepEqual(typesOf(execution.decide(late)), [])
      assert.deepEqual(typesOf(execution.failStep(1, attempt)), [])
    }
  })

  it('counts once', () => {
    const execution = executionThatIs('running')
    execution.apply(COMMANDS['step-completed'])
    assert.deepEqual(typesOf(execution.apply(COMMANDS['step-completed'])), [])
    assert.deepEqual(typesOf(execution.failStep(1, 1)), [])
  })

  it('does not count while the step waits for its next attempt, nor for what is no step', () => {
    const execution = executionThatIs('running')
    for (const op of [2, 3, 4, 5, 6]) {
      assert.deepEqual(
        typesOf(execution.decide({ type: 'step-completed', op, attempt: 1, result: PAYLOAD })),
        [],
      )
    }
  })

  it('of a child counts for the child of that operation, once', () => {
    const execution = executionThatIs('running')
    const outcome = { ok: false, failure: FAILURE } as const
    const foreign = { ...CHILD, workflowId: 'other' }
    assert.deepEqual(typesOf(execution.apply({ type: 'child-closed', op: 5, child: foreign, outcome })), [])
    const [failed] = execution.apply({ type: 'child-closed', op: 5, child: CHILD, outcome }).events
    assert.ok(failed?.type === 'child-failed')
    assert.equal(failed.failure.code, 'CHILD_FAILED')
    assert.deepEqual(failed.failure.cause, FAILURE)
    assert.deepEqual(typesOf(execution.apply({ type: 'child-closed', op: 5, child: CHILD, outcome })), [])
  })
})

describe('5. a child that the closing of its parent has ended', () => {
  const outcome = { ok: false, failure: FAILURE } as const
  const closed = { type: 'child-closed', op: 5, child: CHILD, outcome, parentClosed: true } as const

  it('is withdrawn from the parent that was reopened, and asked for again as another run', () => {
    const execution = executionThatIs('failed')
    assert.deepEqual(typesOf(execution.apply(closed)), [])
    execution.apply({ type: 'retry' })
    assert.deepEqual(execution.apply(closed).events, [{ type: 'child-withdrawn', op: 5, at: T0 + 500 }])
    const again = execution.ask({ ...childCommand(5), newRunId: runIdFor(50) })
    assert.deepEqual(typesOf(again), ['child-started'])
    const message = again.effects[0]?.kind === 'send' ? again.effects[0].message : undefined
    assert.deepEqual(message?.kind === 'start-child' && message.runId, runIdFor(50))
  })

  it('is withdrawn once: what its run says later is not of the next one', () => {
    const execution = executionThatIs('failed')
    execution.apply({ type: 'retry' })
    const childRunId = runIdFor(5)
    execution.apply({ ...closed, childRunId })
    assert.deepEqual(typesOf(execution.apply({ ...closed, childRunId })), [])
    execution.ask({ ...childCommand(5), newRunId: runIdFor(50) })
    assert.deepEqual(typesOf(execution.apply({ ...closed, childRunId })), [])
    // The child has continued as new: it is told of by a later run.
    const result = { ok: true, result: PAYLOAD } as const
    const { events } = execution.apply({
      type: 'child-closed',
      op: 5,
      child: CHILD,
      outcome: result,
      childRunId: runIdFor(51),
    })
    assert.deepEqual(events, [{ type: 'child-completed', op: 5, result: PAYLOAD, at: T0 + 500 }])
  })

  it('leaves no step running, since replay asks for all of them again', () => {
    const execution = executionThatIs('failed')
    execution.apply({ type: 'retry' })
    execution.ask({ kind: 'step', op: 6, name: 'six' })
    execution.apply(closed)
    assert.deepEqual([execution.state.runnableSteps, execution.state.ops.has(6)], [0, false])
  })
})

describe('a failed attempt', () => {
  it('is recorded with its delay before the next one is armed', () => {
    const execution = Execution.started()
    execution.ask({ kind: 'step', op: 1, name: 'one', retry: { ...DEFAULT_RETRY, initialMs: 100 } })
    const decision = execution.failStep(1, 1, FAILURE, 0.25)
    assert.deepEqual(decision.events, [
      {
        type: 'step-attempt-failed',
        op: 1,
        name: 'one',
        attempt: 1,
        failure: FAILURE,
        retryAt: T0 + 25,
        delayMs: 25,
        at: T0,
      },
    ])
    assert.deepEqual(decision.effects, [{ kind: 'arm-timer', timer: 1, dueAt: T0 + 25 }])
  })

  it('is the last when attempts run out, the error is not to be retried, or its name is listed', () => {
    const retry = { ...DEFAULT_RETRY, maxAttempts: 2, nonRetryable: ['Refused'] }
    const failures = [
      { ...FAILURE, nonRetryable: true as const },
      { ...FAILURE, name: 'Refused' },
    ]
    for (const failure of failures) {
      const execution = Execution.started()
      execution.ask({ kind: 'step', op: 1, name: 'one', retry })
      assert.deepEqual(typesOf(execution.failStep(1, 1, failure)), ['step-failed'])
    }
    const execution = Execution.started()
    execution.ask({ kind: 'step', op: 1, name: 'one', retry })
    assert.deepEqual(typesOf(execution.failStep(1, 1, FAILURE, 0)), ['step-attempt-failed'])
    execution.apply({ type: 'timer-due', timer: 1 })
    assert.deepEqual(typesOf(execution.failStep(1, 2)), ['step-failed'])
  })
})

describe('3. a timer', () => {
  it('never fires early: it is armed again', () => {
    const execution = executionThatIs('running')
    const dueAt = { 3: T0 + 50, 4: T0 + 60, [DEADLINE_TIMER]: T0 + 500 }
    for (const [timer, due] of Object.entries(dueAt)) {
      const early = execution.at(due - 1).decide({ type: 'timer-due', timer: Number(timer) })
      assert.deepEqual(
        [early.events, early.effects],
        [[], [{ kind: 'arm-timer', timer: Number(timer), dueAt: due }]],
      )
      const onTime = execution.at(due).decide({ type: 'timer-due', timer: Number(timer) })
      assert.equal(onTime.events.length, 1)
    }
  })

  it('of a backoff starts the next attempt, not early', () => {
    const execution = executionThatIs('running')
    const step = execution.state.ops.get(2)
    assert.ok(step?.kind === 'step')
    const early = execution.at(step.retryAt - 1).decide({ type: 'timer-due', timer: 2 })
    assert.deepEqual(
      [early.effects, early.transient],
      [[{ kind: 'arm-timer', timer: 2, dueAt: step.retryAt }], []],
    )
    assert.deepEqual(execution.at(step.retryAt).apply({ type: 'timer-due', timer: 2 }).effects, [
      { kind: 'drop-timer', timer: 2 },
      { kind: 'run-step', op: 2, attempt: 2 },
    ])
  })

  it('of nothing that is pending is dropped and does nothing', () => {
    const execution = executionThatIs('running')
    execution.apply(COMMANDS['timer-due'])
    for (const timer of [1, 3, 5, 77]) {
      const decision = execution.decide({ type: 'timer-due', timer })
      assert.deepEqual(decision, { events: [], transient: [], effects: [{ kind: 'drop-timer', timer }] })
    }
  })

  it('of a delayed start is dropped when its time has come', () => {
    const execution = Execution.started({ notBefore: T0 + 10 })
    const early = execution.at(T0 + 9).decide({ type: 'timer-due', timer: START_TIMER })
    assert.deepEqual(early.effects, [{ kind: 'arm-timer', timer: START_TIMER, dueAt: T0 + 10 }])
    const onTime = execution.at(T0 + 10).decide({ type: 'timer-due', timer: START_TIMER })
    assert.deepEqual(onTime.effects, [{ kind: 'drop-timer', timer: START_TIMER }])
  })
})

describe('4. retry', () => {
  it('withdraws the failure, and the operation that caused it', () => {
    const execution = executionThatIs('running')
    execution.ask({ kind: 'fail', failure: FAILURE, op: 1, operationsAfter: 0 })
    const { events } = execution.at(T0 + 600).apply({ type: 'retry' })
    assert.deepEqual(events, [{ type: 'execution-reopened', failedSeq: 8, op: 1, at: T0 + 600 }])
    assert.deepEqual([execution.state.status, execution.state.terminal], ['running', undefined])
  })

  it('arms the timers of what is pending again, and asks children what became of them', () => {
    const execution = executionThatIs('running')
    const retryAt = execution.state.ops.get(2)
    assert.ok(retryAt?.kind === 'step')
    execution.ask({ kind: 'fail', failure: FAILURE })
    const parent = { key: execution.state.key, runId: runIdFor(0), op: 5 }
    assert.deepEqual(execution.at(T0 + 600).apply({ type: 'retry' }).effects, [
      { kind: 'arm-timer', timer: DEADLINE_TIMER, dueAt: T0 + 1100 },
      { kind: 'arm-timer', timer: 2, dueAt: retryAt.retryAt },
      { kind: 'arm-timer', timer: 3, dueAt: T0 + 50 },
      { kind: 'arm-timer', timer: 4, dueAt: T0 + 60 },
      { kind: 'send', message: { kind: 'report-outcome', to: CHILD, parent } },
    ])
  })

  it('is refused when operations were made after the failure, such as compensations', () => {
    const execution = executionThatIs('running')
    execution.ask({ kind: 'fail', failure: FAILURE, op: 1, operationsAfter: 2 })
    assert.equal(execution.decide({ type: 'retry' }).rejected?.code, 'RETRY_IMPOSSIBLE')
  })
})

describe('a start', () => {
  it('arms the timer of a later begin, and that of the time limit', () => {
    const decision = new Execution().decide(
      startCommand({ notBefore: T0 + 5, timeoutMs: 9, deadlineAt: T0 + 14 }),
    )
    assert.deepEqual(decision.effects, [
      { kind: 'arm-timer', timer: START_TIMER, dueAt: T0 + 5 },
      { kind: 'arm-timer', timer: DEADLINE_TIMER, dueAt: T0 + 14 },
    ])
  })

  it('brings signals with it, in order, in the same decision', () => {
    const signals = [
      { name: 'a', payload: PAYLOAD, requestId: 'r1' },
      { name: 'b', payload: PAYLOAD, requestId: undefined },
    ]
    const execution = new Execution()
    const decision = execution.apply({ ...startCommand(), signals } as Command)
    assert.deepEqual(typesOf(decision), ['execution-started', 'signal-received', 'signal-received'])
    assert.deepEqual(
      [...(execution.state.signals ?? [])],
      [
        [2, signals[0]],
        [3, signals[1]],
      ],
    )
  })
})

describe('a request', () => {
  it('is recorded once per request id, also after the signal was consumed and the update answered', () => {
    const execution = executionThatIs('running')
    execution.ask({ kind: 'consume', seq: 6 })
    execution.ask({ kind: 'update-result', updateId: 'u1', result: PAYLOAD })
    assert.deepEqual(typesOf(execution.apply(COMMANDS['the same signal again'])), [])
    assert.deepEqual(typesOf(execution.apply(COMMANDS['the same update again'])), [])
  })

  it('to cancel is recorded once', () => {
    const execution = executionThatIs('running')
    assert.deepEqual(typesOf(execution.apply(COMMANDS.cancel)), ['cancel-requested'])
    assert.deepEqual(execution.decide({ type: 'cancel', reason: 'again' }).events, [])
  })

  it('without a request id is recorded each time, up to the limit of queued signals', () => {
    const execution = Execution.started()
    execution.limits = { ...DEFAULT_LIMITS, queuedSignals: 2 }
    const signal: Command = { type: 'signal', name: 'go', payload: PAYLOAD, requestId: undefined }
    assert.deepEqual(typesOf(execution.apply(signal)), ['signal-received'])
    assert.deepEqual(typesOf(execution.apply(signal)), ['signal-received'])
    assert.equal(execution.apply(signal).rejected?.code, 'TOO_MANY_SIGNALS')
    execution.ask({ kind: 'consume', seq: 2 })
    assert.deepEqual(typesOf(execution.apply(signal)), ['signal-received'])
  })
})
