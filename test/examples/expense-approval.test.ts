// Expense approval: who is asked when, and whose decision counts.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { approveExpenseWith, asked, decision } from '../../examples/expense-approval/approve-expense.ts'
import { createEngine, type Duration, type Execution, silentLogger } from '../../src/index.ts'

const expense = {
  employee: 'ada',
  purpose: 'a train ticket',
  amountCents: 12_900,
  approvers: ['manager', 'director'],
}

async function open(folder: string, mails: string[], patience: Duration) {
  const approveExpense = approveExpenseWith({ send: async (to) => void mails.push(to) }, patience)
  const store = `sqlite:${join(folder, 'expenses.db')}`
  const engine = await createEngine({ store, workflows: [approveExpense], logger: silentLogger })
  return { approveExpense, engine }
}

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-expenses-'))

async function isAsked(execution: Execution, approver: string): Promise<void> {
  while (!(await execution.query(asked)).includes(approver)) await new Promise((wake) => setTimeout(wake, 5))
}

describe('expense approval', () => {
  test('the manager decides, and the director is not bothered', async () => {
    using folder = newFolder()
    const mails: string[] = []
    const { approveExpense, engine } = await open(folder.path, mails, '1h')
    await using _engine = engine
    const execution = await engine.start(approveExpense, expense)
    await execution.signal(decision, { by: 'manager', approved: false })
    assert.deepEqual(await execution.result(), { status: 'refused', by: 'manager', asked: ['manager'] })
    assert.deepEqual(mails, ['manager', 'ada'])
  })

  test('a silent manager is passed over, and may still decide later', async () => {
    using folder = newFolder()
    const mails: string[] = []
    const { approveExpense, engine } = await open(folder.path, mails, '1s')
    await using _engine = engine
    const execution = await engine.start(approveExpense, expense)
    await isAsked(execution, 'director')
    await execution.signal(decision, { by: 'manager', approved: true })
    const result = await execution.result()
    assert.deepEqual(result, { status: 'approved', by: 'manager', asked: ['manager', 'director'] })
    assert.deepEqual(mails, ['manager', 'director', 'ada'])
  })

  test('a decision of somebody who was not asked does not count', async () => {
    using folder = newFolder()
    const { approveExpense, engine } = await open(folder.path, [], '1h')
    await using _engine = engine
    const execution = await engine.start(approveExpense, expense)
    await execution.signal(decision, { by: 'ada', approved: true })
    await execution.signal(decision, { by: 'director', approved: true })
    await execution.signal(decision, { by: 'manager', approved: false })
    assert.equal((await execution.result()).by, 'manager')
  })

  test('when nobody answers, the claim is refused', async () => {
    using folder = newFolder()
    const mails: string[] = []
    const { approveExpense, engine } = await open(folder.path, mails, '20ms')
    await using _engine = engine
    const { status } = await (await engine.start(approveExpense, expense)).result()
    assert.equal(status, 'refused')
    assert.deepEqual(mails, ['manager', 'director', 'ada'])
  })

  test('the time of the manager runs on while the engine is down', async () => {
    using folder = newFolder()
    const mails: string[] = []
    {
      const { approveExpense, engine } = await open(folder.path, mails, '1s')
      await using _engine = engine
      const execution = await engine.start(approveExpense, expense, { id: 'expense-1' })
      await isAsked(execution, 'manager')
    }
    await new Promise((wake) => setTimeout(wake, 1100))
    const { approveExpense, engine } = await open(folder.path, mails, '1s')
    await using _engine = engine
    const execution = engine.execution(approveExpense, 'expense-1')
    await isAsked(execution, 'director')
    await execution.signal(decision, { by: 'director', approved: true })
    assert.equal((await execution.result()).by, 'director')
    assert.deepEqual(mails, ['manager', 'director', 'ada'])
  })
})
