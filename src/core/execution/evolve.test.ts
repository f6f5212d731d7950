import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Execution, executionThatIs, FAILURE, PAYLOAD, T0 } from '../../../test/kernel/execution-examples.ts'
import { runIdFor } from '../../../test/kernel/harness.ts'
import type { Event } from '../../protocol/event.ts'
import { evolve, evolveTransient, forgetIssued } from './evolve.ts'
import { type ExecutionState, emptyState } from './state.ts'

function stepOf(state: ExecutionState, op: number) {
  const step = state.ops.get(op)
  assert.ok(step?.kind === 'step')
  return step
}

describe('evolve', () => {
  it('numbers events without gaps, and remembers the time of the last', () => {
    const state = emptyState(runIdFor(0))
    evolve(state, { type: 'patch-marked', id: 'a', at: 5 })
    evolve(state, { type: 'patch-marked', id: 'b', at: 8 })
    assert.deepEqual([state.seq, state.lastAt], [2, 8])
  })

  it('makes the same state of the same events', () => {
    const events: Event[] = [
      { type: 'timer-started', op: 1, name: 'sleep', kind: 'sleep', dueAt: 9, at: 1 },
      { type: 'signal-received', name: 'go', payload: PAYLOAD, requestId: 'r', at: 2 },
      { type: 'timer-fired', op: 1, at: 9 },
    ]
    const [a, b] = [emptyState(runIdFor(0)), emptyState(runIdFor(0))]
    for (const event of events) for (const state of [a, b]) evolve(state, event)
    assert.deepEqual(a, b)
  })

  it('holds what is open, never what is settled', () => {
    const execution = Execution.started()
    for (let op = 1; op <= 100; op++) {
      execution.ask({ kind: 'step', op, name: 'one' })
      execution.apply({ type: 'step-completed', op, attempt: 1, result: PAYLOAD })
      execution.apply({ type: 'signal', name: 'go', payload: PAYLOAD, requestId: undefined })
      execution.ask({ kind: 'consume', seq: execution.state.seq })
    }
    assert.equal(execution.state.ops.size, 0)
    assert.equal(execution.state.signals?.size, 0)
    assert.equal(execution.state.requestIds, undefined)
    assert.equal(execution.state.runnableSteps, 0)
  })

  it('gives a reopened execution its whole time limit again', () => {
    const execution = executionThatIs('failed')
    execution.at(T0 + 900).apply({ type: 'retry' })
    assert.equal(execution.state.deadlineAt, T0 + 1400)
    assert.equal(execution.state.closedAt, null)
  })
})

describe('steps', () => {
  it('are runnable while they run, not in their backoff', () => {
    const execution = Execution.started()
    execution.ask({ kind: 'step', op: 1, name: 'one' })
    assert.equal(execution.state.runnableSteps, 1)
    execution.failStep(1, 1, FAILURE, 0)
    assert.equal(execution.state.runnableSteps, 0)
    execution.apply({ type: 'timer-due', timer: 1 })
    assert.equal(execution.state.runnableSteps, 1)
    assert.equal(stepOf(execution.state, 1).attempt, 2)
    execution.ask({ kind: 'drop', op: 1 })
    assert.equal(execution.state.runnableSteps, 0)
  })

  it('start no second attempt beside a running one', () => {
    const execution = Execution.started()
    execution.ask({ kind: 'step', op: 1, name: 'one' })
    evolveTransient(execution.state, { type: 'step-attempt-started', op: 1 })
    assert.deepEqual([stepOf(execution.state, 1).attempt, execution.state.runnableSteps], [1, 1])
  })

  it('count their failed attempts from the journal alone', () => {
    const state = emptyState(runIdFor(0))
    const failed = { type: 'step-attempt-failed', op: 1, name: 'one', failure: FAILURE, at: 1 } as const
    evolve(state, { ...failed, attempt: 3, retryAt: 9, delayMs: 8 })
    const step = stepOf(state, 1)
    assert.deepEqual([step.attempt, step.issued, step.running, step.delayMs], [3, false, false, 8])
  })
})

describe('forgetIssued, when code is dropped and will be replayed', () => {
  it('forgets running steps, but not that attempts failed', () => {
    const execution = Execution.started()
    for (const op of [1, 2]) execution.ask({ kind: 'step', op, name: 'step' })
    execution.failStep(2, 1, FAILURE, 0)
    execution.apply({ type: 'timer-due', timer: 2 })
    forgetIssued(execution.state)
    assert.equal(execution.state.ops.has(1), false)
    const step = stepOf(execution.state, 2)
    assert.deepEqual([step.attempt, step.running, step.issued], [1, false, false])
    assert.equal(execution.state.runnableSteps, 0)
  })

  it('keeps timers and children', () => {
    const execution = executionThatIs('running')
    forgetIssued(execution.state)
    assert.deepEqual([...execution.state.ops.keys()], [2, 3, 4, 5])
  })

  it('happens when an execution is parked or reopened, or a child is withdrawn', () => {
    for (const command of [{ type: 'park', failure: FAILURE }] as const) {
      const execution = executionThatIs('running')
      execution.apply(command)
      assert.equal(execution.state.ops.has(1), false)
    }
    const withdrawn = executionThatIs('running')
    evolve(withdrawn.state, { type: 'child-withdrawn', op: 5, at: withdrawn.nowMs })
    assert.deepEqual([...withdrawn.state.ops.keys()], [2, 3, 4])
    const failed = executionThatIs('failed')
    assert.equal(failed.state.ops.has(1), true)
    failed.apply({ type: 'retry' })
    assert.equal(failed.state.ops.has(1), false)
  })
})
