/** Workflows, people and inboxes for tests of human tasks. */
import assert from 'node:assert/strict'
import {
  type ApprovalOptions,
  type HumanChange,
  type HumanTaskOptions,
  type PeopleClient,
  PerdureError,
  workflow,
} from '../../src/index.ts'
import { createTestEngine, type TestEngine, type TestEngineOptions } from '../../src/testing.ts'

export const START = '2026-11-26T09:00:00.000Z'

export const ann = { user: 'ann', groups: ['finance'] }
export const bob = { user: 'bob', groups: ['finance'] }
export const eve = { user: 'eve', groups: ['audit'] }
export const boss = { user: 'boss', groups: [], admin: true }

/** One human task with the given options. */
export const asking = workflow({
  name: 'asking',
  run: (ctx, options: HumanTaskOptions) => ctx.humanTask(options),
})
export const approving = workflow({
  name: 'approving',
  run: (ctx, options: ApprovalOptions) => ctx.approval(options),
})

export const FORM = {
  type: 'object',
  properties: { amount: { type: 'number', minimum: 0 } },
  required: ['amount'],
  additionalProperties: false,
} as const

export const question: HumanTaskOptions = { title: 'Check the invoice', candidateGroups: ['finance'] }

/** Time moves only when the test says so. */
export function engineOf(options: Partial<TestEngineOptions> = {}): Promise<TestEngine> {
  const workflows = [asking, approving]
  return createTestEngine({ workflows, startTime: new Date(START), skipTime: false, ...options })
}

/** The id of the only open human task, once there is one. */
export async function openTask(people: PeopleClient, workflowId?: string): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { tasks } = await people.list(workflowId === undefined ? {} : { workflowId })
    const [first] = tasks
    if (first !== undefined) return first.id
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('no human task was opened')
}

export function failsWith(code: string, message?: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof PerdureError, String(error))
    assert.equal(error.code, code, error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  }
}

/** Of the history: `who what`, or the outcome. */
export async function changesOf(people: PeopleClient, id: string): Promise<string[]> {
  return (await people.history(id)).map(({ event }) => {
    if (event.type === 'human-task-opened') return 'opened'
    if (event.type === 'human-task-closed') return `${event.outcome} by ${event.by ?? 'time'}`
    assert.equal(event.type, 'human-task-changed')
    return `${event.by ?? 'time'} ${wordOf(event.change)}`
  })
}

function wordOf(change: HumanChange): string {
  if (change.kind === 'handed-over') return `${change.how} ${change.to}`
  return change.kind === 'decided' ? change.decision.verdict : change.kind
}
