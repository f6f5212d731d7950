import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  childCommand,
  Execution,
  executionThatIs,
  FAILURE,
  PAYLOAD,
  T0,
  typesOf,
} from '../../../test/kernel/execution-examples.ts'
import { KEY, runIdFor } from '../../../test/kernel/harness.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'

const CHILD = { namespace: 'default', workflowId: 'w/5' }
const PARENT = { key: KEY, runId: runIdFor(0), op: 5 }

describe('a step that code asks for', () => {
  it('runs at once, and is not journaled', () => {
    const decision = Execution.started().ask({ kind: 'step', op: 1, name: 'one' })
    assert.deepEqual(decision.events, [])
    assert.deepEqual(decision.effects, [{ kind: 'run-step', op: 1, attempt: 1 }])
    assert.deepEqual(typesOfFacts(decision), ['step-issued'])
  })

  it('runs once, however often it is asked for', () => {
    const execution = executionThatIs('running')
    for (const op of [1, 2]) assertNothing(execution, { kind: 'step', op, name: 'any' })
  })

  it('that failed before a restart waits for the time of its next attempt, and keeps count', () => {
    const execution = executionThatIs('running')
    execution.apply({ type: 'park', failure: FAILURE })
    execution.apply({ type: 'resume' })
    const step = execution.state.ops.get(2)
    assert.ok(step?.kind === 'step')
    const command = { kind: 'step', op: 2, name: 'two' } as const
    assert.deepEqual(execution.at(step.retryAt - 1).decide({ type: 'workflow', command }).effects, [])
    assert.deepEqual(execution.at(step.retryAt).ask(command).effects, [
      { kind: 'drop-timer', timer: 2 },
      { kind: 'run-step', op: 2, attempt: 2 },
    ])
  })
})

describe('a timer that code asks for', () => {
  it('is journaled with its due time, and armed', () => {
    const execution = Execution.started()
    const slept = execution.ask({ kind: 'sleep', op: 1, delayMs: 7 })
    assert.deepEqual(slept.events, [
      { type: 'timer-started', op: 1, name: 'sleep', kind: 'sleep', dueAt: T0 + 7, at: T0 },
    ])
    assert.deepEqual(slept.effects, [{ kind: 'arm-timer', timer: 1, dueAt: T0 + 7 }])
    const until = execution.ask({ kind: 'sleep', op: 2, untilMs: T0 - 5 })
    assert.deepEqual(until.effects, [{ kind: 'arm-timer', timer: 2, dueAt: T0 - 5 }])
    const waited = execution.ask({ kind: 'wait', op: 3, signal: 'go', timeoutMs: 9 })
    assert.deepEqual(waited.events, [
      { type: 'timer-started', op: 3, name: 'go', kind: 'wait', dueAt: T0 + 9, at: T0 },
    ])
    assert.deepEqual(waited.effects, [{ kind: 'arm-timer', timer: 3, dueAt: T0 + 9 }])
  })

  it('is armed once, however often it is asked for', () => {
    const execution = executionThatIs('running')
    assertNothing(execution, { kind: 'sleep', op: 3, delayMs: 7 })
    assertNothing(execution, { kind: 'wait', op: 4, signal: 'go', timeoutMs: 7 })
  })
})

describe('what code no longer waits for', () => {
  it('is forgotten: a running step is aborted, a timer dropped', () => {
    const execution = executionThatIs('running')
    assert.deepEqual(execution.ask({ kind: 'drop', op: 1 }).effects, [{ kind: 'abort-step', op: 1 }])
    for (const op of [2, 3, 4])
      assert.deepEqual(execution.ask({ kind: 'drop', op }).effects, [{ kind: 'drop-timer', timer: op }])
    assert.deepEqual([...execution.state.ops.keys()], [5])
    assert.equal(execution.state.runnableSteps, 0)
  })

  it('is forgotten once, and a child never', () => {
    const execution = executionThatIs('running')
    execution.ask({ kind: 'drop', op: 1 })
    for (const op of [1, 5, 77]) assertNothing(execution, { kind: 'drop', op })
  })
})

describe('a child that code asks for', () => {
  it('is journaled with its run id, and started with a link to its parent', () => {
    const execution = Execution.started({ depth: 3 })
    const { events, effects } = execution.ask({ ...childCommand(5, 'abandon'), timeoutMs: 8 })
    const key = CHILD
    const shared = { key, version: '2', input: PAYLOAD, timeoutMs: 8 }
    assert.deepEqual(events, [
      {
        type: 'child-started',
        op: 5,
        name: 'child',
        runId: runIdFor(5),
        closePolicy: 'abandon',
        ...shared,
        at: T0,
      },
    ])
    const started = { workflow: 'child', parent: PARENT, depth: 4, deadlineAt: T0 + 8, ...shared }
    const message = { kind: 'start-child', to: key, runId: runIdFor(5), started }
    assert.deepEqual(effects, [{ kind: 'send', message }])
  })

  it('is started once, and has the id that code gave it', () => {
    const execution = Execution.started()
    const [event] = execution.ask({ ...childCommand(5), workflowId: 'mine' }).events
    assert.ok(event?.type === 'child-started')
    assert.equal(event.key.workflowId, 'mine')
    assertNothing(execution, childCommand(5))
  })

  it('fails when it would be nested too deep', () => {
    const execution = Execution.started({ depth: DEFAULT_LIMITS.childDepth })
    const [event, ...rest] = execution.ask(childCommand(5)).events
    assert.ok(event?.type === 'child-failed')
    assert.equal(event.failure.code, 'CHILDREN_TOO_DEEP')
    assert.deepEqual(rest, [])
  })

  it('gets what its parent sends it, by its link', () => {
    const execution = executionThatIs('running')
    const cancelled = execution.ask({ kind: 'cancel-child', op: 5, reason: 'enough' })
    assert.deepEqual(cancelled.events, [])
    assert.deepEqual(cancelled.effects, [
      { kind: 'send', message: { kind: 'cancel', to: CHILD, parent: PARENT, reason: 'enough' } },
    ])
    const poke = { kind: 'signal-child', op: 6, childOp: 5, signal: 'poke', payload: PAYLOAD } as const
    const signalled = execution.ask(poke)
    assert.deepEqual(typesOf(signalled), ['child-signalled'])
    const requestId = `${runIdFor(0)}/6`
    const message = { kind: 'signal', to: CHILD, parent: PARENT, name: 'poke', payload: PAYLOAD, requestId }
    assert.deepEqual(signalled.effects, [{ kind: 'send', message }])
  })

  it('that has ended gets nothing more', () => {
    const execution = executionThatIs('running')
    execution.apply({ type: 'child-closed', op: 5, child: CHILD, outcome: { ok: true, result: PAYLOAD } })
    assertNothing(execution, { kind: 'cancel-child', op: 5, reason: 'enough' })
    const poke = { kind: 'signal-child', op: 6, childOp: 5, signal: 'poke', payload: PAYLOAD } as const
    const { events, effects } = execution.ask(poke)
    assert.deepEqual([events.length, effects], [1, []])
  })
})

describe('other things that code asks for', () => {
  it('consumes a signal once', () => {
    const execution = executionThatIs('running')
    assert.deepEqual(typesOfFacts(execution.ask({ kind: 'consume', seq: 6 })), ['signal-consumed'])
    assertNothing(execution, { kind: 'consume', seq: 6 })
  })

  it('answers an accepted update once', () => {
    const execution = executionThatIs('running')
    const answer: WorkflowCommand = { kind: 'update-result', updateId: 'u1', result: PAYLOAD }
    assert.deepEqual(typesOf(execution.ask(answer)), ['update-completed'])
    assertNothing(execution, answer)
    assertNothing(execution, { ...answer, updateId: 'never accepted' })
  })

  it('sets attributes, and keeps the others', () => {
    const execution = Execution.started({ attributes: { a: 1, b: 2 } })
    execution.ask({ kind: 'attributes', op: 1, values: { b: 3 } })
    assert.deepEqual(execution.state.attributes, { a: 1, b: 3 })
  })

  it('marks a patch', () => {
    assert.deepEqual(Execution.started().ask({ kind: 'patch', id: 'p' }).events, [
      { type: 'patch-marked', id: 'p', at: T0 },
    ])
  })
})

describe('continue-as-new', () => {
  it('starts the next run with the input, the limits, the attributes and the signals not consumed', () => {
    const execution = Execution.started({ timeoutMs: 9, deadlineAt: T0 + 9, attributes: { a: 1 }, depth: 2 })
    for (const name of ['first', 'second'])
      execution.apply({ type: 'signal', name, payload: PAYLOAD, requestId: name })
    execution.ask({ kind: 'consume', seq: 2 })
    const decision = execution.at(T0 + 5).ask({ kind: 'continue', input: PAYLOAD, newRunId: runIdFor(9) })
    assert.deepEqual(typesOf(decision), ['execution-continued'])
    const started = {
      key: KEY,
      workflow: 'order',
      version: '1',
      input: PAYLOAD,
      depth: 2,
      continuedFrom: runIdFor(0),
      timeoutMs: 9,
      deadlineAt: T0 + 9,
      attributes: { a: 1 },
    }
    const signals = [{ name: 'second', payload: PAYLOAD, requestId: 'second' }]
    assert.deepEqual(decision.effects.at(-1), { kind: 'continue', newRunId: runIdFor(9), started, signals })
  })
})

function assertNothing(execution: Execution, command: WorkflowCommand): void {
  assert.deepEqual(execution.decide({ type: 'workflow', command }), {
    events: [],
    transient: [],
    effects: [],
  })
}

function typesOfFacts({ transient }: { readonly transient: readonly { readonly type: string }[] }): string[] {
  return transient.map(({ type }) => type)
}
