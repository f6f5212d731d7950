import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Command } from '../../src/core/execution/decision.ts'
import { EXECUTION_STATUSES, type ExecutionStatus } from '../../src/protocol/execution-status.ts'
import { DEFAULT_RETRY } from '../../src/protocol/retry-policy.ts'
import type { WorkflowCommand } from '../../src/protocol/workflow-command.ts'
import { Execution, executionThatIs, FAILURE, PAYLOAD, startCommand, T0 } from './execution-examples.ts'
import { runIdFor } from './harness.ts'

const [executionEdges = [], stepEdges = []] = diagramsOf('../../docs/state-diagrams.md')

/** The edges of each mermaid diagram of a page, as `from --> to: label`. */
function diagramsOf(page: string): string[][] {
  const text = readFileSync(new URL(page, import.meta.url), 'utf8')
  return [...text.matchAll(/```mermaid\nstateDiagram-v2\n([^`]*)```/g)].map(([, body = '']) => {
    const lines = body.split('\n').map((line) => line.trim())
    return lines.filter((line) => line !== '')
  })
}

const WORKFLOW_COMMANDS: readonly WorkflowCommand[] = [
  { kind: 'step', op: 6, name: 'six' },
  { kind: 'sleep', op: 6, delayMs: 1 },
  { kind: 'wait', op: 6, signal: 'go', timeoutMs: 1 },
  {
    kind: 'child',
    op: 6,
    workflow: 'child',
    version: '1',
    input: PAYLOAD,
    closePolicy: 'abandon',
    newRunId: runIdFor(6),
  },
  { kind: 'drop', op: 1 },
  { kind: 'cancel-child', op: 5, reason: 'enough' },
  { kind: 'signal-child', op: 6, childOp: 5, signal: 'poke', payload: PAYLOAD },
  { kind: 'consume', seq: 6 },
  { kind: 'attributes', op: 6, values: { a: 1 } },
  { kind: 'patch', id: 'p' },
  { kind: 'update-result', updateId: 'u1', result: PAYLOAD },
  { kind: 'complete', result: PAYLOAD },
  { kind: 'fail', failure: FAILURE },
  { kind: 'cancelled', reason: 'enough' },
  { kind: 'continue', input: PAYLOAD, newRunId: runIdFor(99) },
]

const COMMANDS: readonly Command[] = [
  startCommand(),
  ...WORKFLOW_COMMANDS.map((command) => ({ type: 'workflow' as const, command })),
  { type: 'step-completed', op: 1, attempt: 1, result: PAYLOAD },
  { type: 'step-failed', op: 1, attempt: 1, failure: FAILURE, random: 0 },
  { type: 'step-failed', op: 1, attempt: 1, failure: { ...FAILURE, nonRetryable: true }, random: 0 },
  ...[-1, -2, 1, 2, 3, 4, 5].map((timer) => ({ type: 'timer-due' as const, timer })),
  { type: 'signal', name: 'go', payload: PAYLOAD, requestId: undefined },
  { type: 'update', updateId: 'u2', name: 'nudge', payload: PAYLOAD },
  { type: 'cancel', reason: 'enough' },
  { type: 'terminate', reason: 'stop it' },
  { type: 'fail', failure: FAILURE },
  { type: 'park', failure: FAILURE },
  { type: 'resume' },
  { type: 'retry' },
  {
    type: 'child-closed',
    op: 5,
    child: { namespace: 'default', workflowId: 'w/5' },
    outcome: { ok: true, result: PAYLOAD },
  },
]

/** Every move that some command makes from some status. */
function movesOfExecutions(): Set<string> {
  const moves = new Set<string>()
  const fresh = new Execution()
  const [started] = fresh.apply(startCommand()).events
  moves.add(`[*] --> ${fresh.state.status}: ${started?.type}`)
  for (const from of EXECUTION_STATUSES) {
    for (const command of COMMANDS) {
      const execution = executionThatIs(from)
      const { events } = execution.apply(command)
      const to: ExecutionStatus = execution.state.status
      if (to !== from) moves.add(`${from} --> ${to}: ${events.at(-1)?.type}`)
    }
  }
  return moves
}

describe('the diagram of an execution', () => {
  it('has every move that a command can make, and no other', () => {
    assert.deepEqual([...executionEdges].sort(), [...movesOfExecutions()].sort())
  })

  it('has every status', () => {
    const shown = new Set(executionEdges.flatMap((edge) => edge.split(/ --> |: /).slice(0, 2)))
    for (const status of EXECUTION_STATUSES) assert.ok(shown.has(status), status)
  })
})

type StepState = 'running' | 'backoff' | 'issued' | 'completed' | 'failed' | 'dropped' | '[*]'

const STEP_EVENTS: Readonly<Record<string, StepState>> = {
  'step-completed': 'completed',
  'step-failed': 'failed',
  'op-dropped': 'dropped',
}

/** An execution with step 1 in the given state, and whether the execution failed with it. */
function executionWithStep(state: StepState): Execution {
  const execution = Execution.started()
  if (state === '[*]') return execution
  execution.ask({ kind: 'step', op: 1, name: 'one', retry: { ...DEFAULT_RETRY, maxAttempts: 9 } })
  if (state === 'backoff' || state === 'issued') execution.failStep(1, 1)
  if (state === 'issued') {
    execution.apply({ type: 'park', failure: FAILURE })
    execution.apply({ type: 'resume' })
  }
  if (state === 'completed') execution.apply({ type: 'step-completed', op: 1, attempt: 1, result: PAYLOAD })
  if (state === 'failed') {
    execution.failStep(1, 1, { ...FAILURE, nonRetryable: true })
    execution.ask({ kind: 'fail', failure: FAILURE, op: 1, operationsAfter: 0 })
  }
  if (state === 'dropped') execution.ask({ kind: 'drop', op: 1 })
  return execution
}

const STEP_COMMANDS: readonly Command[] = [
  { type: 'workflow', command: { kind: 'step', op: 1, name: 'one' } },
  { type: 'workflow', command: { kind: 'drop', op: 1 } },
  { type: 'step-completed', op: 1, attempt: 1, result: PAYLOAD },
  { type: 'step-failed', op: 1, attempt: 1, failure: FAILURE, random: 0.5 },
  { type: 'step-failed', op: 1, attempt: 1, failure: { ...FAILURE, nonRetryable: true }, random: 0 },
  { type: 'timer-due', timer: 1 },
  { type: 'park', failure: FAILURE },
  { type: 'retry' },
]

/** What a command makes of step 1: the event with which it came, and where it is then. */
function moveOfStep(from: StepState, command: Command, nowMs: number): string | undefined {
  const execution = executionWithStep(from).at(nowMs)
  const { events, transient } = execution.apply(command)
  const [event] = events
  const [fact] = transient
  const label = event?.type ?? (fact === undefined ? undefined : `(${fact.type})`)
  if (label === undefined) return undefined
  const step = execution.state.ops.get(1)
  let to = STEP_EVENTS[event?.type ?? fact?.type ?? '']
  if (to === undefined) {
    if (step?.kind === 'step' && step.running) to = 'running'
    else to = step?.kind === 'step' && step.issued ? 'backoff' : 'issued'
  }
  return to === from ? undefined : `${from} --> ${to}: ${label}`
}

describe('the diagram of a step', () => {
  it('has every move that a command can make, and no other', () => {
    const moves = new Set<string>()
    for (const from of ['[*]', 'running', 'backoff', 'issued', 'failed'] as const) {
      for (const command of STEP_COMMANDS) {
        if (from === '[*]' && command.type === 'park') continue
        // Before the next attempt is due, and after.
        for (const nowMs of [T0, T0 + 60_000]) {
          const move = moveOfStep(from, command, nowMs)
          if (move !== undefined) moves.add(move)
        }
      }
    }
    assert.deepEqual([...stepEdges].sort(), [...moves].sort())
  })

  it('ends in states that nothing leaves', () => {
    for (const from of ['completed', 'dropped'] as const) {
      const open = STEP_COMMANDS.filter(({ type }) => type !== 'park' && type !== 'workflow')
      for (const command of open) assert.equal(moveOfStep(from, command, T0), undefined)
    }
  })
})
