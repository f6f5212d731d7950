import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  childCommand,
  Execution,
  executionThatIs,
  FAILURE,
  PAYLOAD,
  T0,
} from '../../../test/kernel/execution-examples.ts'
import { KEY, runIdFor } from '../../../test/kernel/harness.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import { closedMessage, failureOfTerminal, outcomeOf } from './closing.ts'
import type { Command } from './decision.ts'
import { DEADLINE_TIMER, START_TIMER } from './timer-ids.ts'

const LINK = { key: KEY, runId: runIdFor(0) }
const GRANDPARENT = { key: { namespace: 'default', workflowId: 'g' }, runId: runIdFor(7), op: 3 }

describe('the end of an execution', () => {
  it('leaves nothing running and no timer behind', () => {
    const execution = executionThatIs('running')
    const { effects } = execution.ask({ kind: 'complete', result: PAYLOAD })
    const parent = { ...LINK, op: 5 }
    const to = { namespace: 'default', workflowId: 'w/5' }
    assert.deepEqual(effects, [
      { kind: 'abort-step', op: 1 },
      { kind: 'drop-timer', timer: 2 },
      { kind: 'drop-timer', timer: 3 },
      { kind: 'drop-timer', timer: 4 },
      {
        kind: 'send',
        message: { kind: 'terminate', to, parent, reason: 'parent w has closed', parentClosed: true },
      },
      { kind: 'drop-timer', timer: DEADLINE_TIMER },
    ])
  })

  it('drops the timer of a begin that had not come', () => {
    const execution = Execution.started({ notBefore: T0 + 100 })
    const { effects } = execution.apply({ type: 'terminate', reason: 'stop it' })
    assert.deepEqual(effects, [{ kind: 'drop-timer', timer: START_TIMER }])
  })

  for (const policy of ['terminate', 'cancel'] as const) {
    it(`tells a child with the policy ${policy} to ${policy}`, () => {
      const execution = Execution.started()
      execution.ask(childCommand(1, policy))
      const [effect] = execution.ask({ kind: 'complete', result: PAYLOAD }).effects
      assert.ok(effect?.kind === 'send' && effect.message.kind === policy)
      assert.deepEqual(effect.message.parent, { ...LINK, op: 1 })
    })
  }

  it('leaves a child with the policy abandon alone', () => {
    const execution = Execution.started()
    execution.ask(childCommand(1, 'abandon'))
    assert.deepEqual(execution.ask({ kind: 'complete', result: PAYLOAD }).effects, [])
  })

  it('is told to the parent', () => {
    const execution = Execution.started({ parent: GRANDPARENT })
    const outcome = { ok: false, failure: FAILURE }
    const { key: to, runId: parentRunId, op } = GRANDPARENT
    const childRunId = runIdFor(0)
    assert.deepEqual(execution.ask({ kind: 'fail', failure: FAILURE }).effects, [
      {
        kind: 'send',
        message: { kind: 'child-closed', to, parentRunId, op, child: KEY, childRunId, outcome },
      },
    ])
  })

  it('says whether nothing but the closing of the parent has made it', () => {
    const reason = 'parent g has closed'
    const cancelled = { kind: 'cancelled', reason } as const
    const isByParent = (...commands: Command[]): boolean | undefined => {
      const execution = Execution.started({ parent: GRANDPARENT })
      for (const command of commands) execution.apply(command)
      const { state } = execution
      assert.ok(state.terminal !== undefined)
      const message = closedMessage(state, state.terminal)
      assert.ok(message?.kind === 'child-closed')
      return message.parentClosed
    }
    const cancel: Command = { type: 'cancel', reason, parentClosed: true }
    const code = (command: WorkflowCommand): Command => ({ type: 'workflow', command })
    assert.equal(isByParent({ type: 'terminate', reason, parentClosed: true }), true)
    assert.equal(isByParent(cancel, code(cancelled)), true)
    assert.equal(isByParent({ type: 'terminate', reason }), undefined)
    assert.equal(isByParent({ type: 'cancel', reason }, cancel, code(cancelled)), undefined)
    assert.equal(isByParent(cancel, code({ kind: 'fail', failure: FAILURE })), undefined)
    assert.equal(isByParent(cancel, { type: 'terminate', reason }), undefined)
  })

  it('goes on to say so in the next run of a child that was asked to cancel', () => {
    const execution = Execution.started({ parent: GRANDPARENT })
    execution.apply({ type: 'cancel', reason: 'parent g has closed', parentClosed: true })
    const { effects } = execution.ask({ kind: 'continue', input: PAYLOAD, newRunId: runIdFor(9) })
    const [effect] = effects
    assert.ok(effect?.kind === 'continue')
    assert.deepEqual([effect.cancelReason, effect.isCancelledByParent], ['parent g has closed', true])
  })

  it('is not told to the parent when the execution goes on in another run, which has the link', () => {
    const execution = Execution.started({ parent: GRANDPARENT })
    const { effects } = execution.ask({ kind: 'continue', input: PAYLOAD, newRunId: runIdFor(9) })
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      ['continue'],
    )
    const [effect] = effects
    assert.deepEqual(effect?.kind === 'continue' && effect.started.parent, GRANDPARENT)
  })
})

describe('the outcome of an execution', () => {
  const codes: readonly (readonly [ExecutionStatus, string])[] = [
    ['cancelled', 'CANCELLED'],
    ['terminated', 'EXECUTION_TERMINATED'],
    ['timed-out', 'EXECUTION_TIMED_OUT'],
  ]
  for (const [status, code] of codes) {
    it(`that was ${status} is a failure with the code ${code}`, () => {
      const { terminal } = executionThatIs(status).state
      assert.ok(terminal !== undefined && terminal.type !== 'execution-completed')
      assert.ok(terminal.type !== 'execution-continued')
      assert.equal(failureOfTerminal(terminal).code, code)
      assert.deepEqual(outcomeOf(terminal), { ok: false, failure: failureOfTerminal(terminal) })
    })
  }

  it('that completed is its result, and there is none yet for one that was continued', () => {
    const { terminal } = executionThatIs('completed').state
    assert.deepEqual(terminal && outcomeOf(terminal), { ok: true, result: PAYLOAD })
    const continued = executionThatIs('continued').state.terminal
    assert.equal(continued && outcomeOf(continued), undefined)
  })
})
