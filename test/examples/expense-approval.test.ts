// Expense approval: who is asked when, and whose decision counts.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { approveExpenseWith } from '../../examples/expense-approval/approve-expense.ts'
import { createEngine, type Duration, type PeopleClient, type Person, silentLogger } from '../../src/index.ts'
import { failsWith } from '../people/people-fixtures.ts'

const claim = { employee: 'ada', purpose: 'a train ticket', amountCents: 12_900 }
const ole = { user: 'ole', groups: ['office', 'managers'] }
const mia = { user: 'mia', groups: ['managers'] }
const receipt = { data: { amountCents: 12_900, costCentre: 'K7' } }

async function open(folder: string, mails: string[], patience: Duration) {
  const approveExpense = approveExpenseWith({ send: async (_, text) => void mails.push(text) }, patience)
  const store = `sqlite:${join(folder, 'expenses.db')}`
  const engine = await createEngine({ store, workflows: [approveExpense], logger: silentLogger })
  return { approveExpense, engine, people: engine.people }
}

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-expenses-'))

async function next(people: PeopleClient, person: Person): Promise<string> {
  for (;;) {
    const [task] = (await people.inbox(person)).tasks
    if (task !== undefined) return task.id
    await new Promise((wake) => setTimeout(wake, 5))
  }
}

describe('expense approval', () => {
  test('who checked may not approve, and both superiors have to', async () => {
    using folder = newFolder()
    const mails: string[] = []
    const { approveExpense, engine, people } = await open(folder.path, mails, '1h')
    await using _engine = engine
    const execution = await engine.start(approveExpense, claim)
    const check = await next(people, ole)
    await assert.rejects(people.complete(check, ole, { data: {} }), failsWith('HUMAN_TASK_DATA_INVALID'))
    await people.complete(check, ole, receipt)
    const approval = await next(people, mia)
    await assert.rejects(people.approve(approval, ole), failsWith('HUMAN_TASK_FORBIDDEN', /four eyes/))
    await people.approve(approval, mia)
    await people.approve(await next(people, 'director'), 'director')
    assert.deepEqual(await execution.result(), { status: 'approved', why: 'checked by ole' })
    assert.deepEqual(mails, ['a train ticket: approved, checked by ole'])
  })

  test('a superior refuses; the employee withdraws; the office finds a fault', async () => {
    using folder = newFolder()
    const { approveExpense, engine, people } = await open(folder.path, [], '1h')
    await using _engine = engine
    const refused = await engine.start(approveExpense, claim)
    await people.complete(await next(people, ole), ole, receipt)
    await people.reject(await next(people, mia), mia)
    assert.deepEqual(await refused.result(), { status: 'refused', why: 'by mia' })
    const withdrawn = await engine.start(approveExpense, claim)
    const check = await next(people, ole)
    await assert.rejects(people.withdraw(check, 'eve'), failsWith('HUMAN_TASK_FORBIDDEN'))
    await people.withdraw(check, 'ada')
    assert.equal((await withdrawn.result()).status, 'withdrawn')
    const faulty = await engine.start(approveExpense, claim)
    await people.reject(await next(people, ole), ole)
    assert.equal((await faulty.result()).why, 'the receipt is not in order')
  })

  test('the board decides by majority on what is dear', async () => {
    using folder = newFolder()
    const { approveExpense, engine, people } = await open(folder.path, [], '1h')
    await using _engine = engine
    const execution = await engine.start(approveExpense, { ...claim, amountCents: 90_000_000 })
    await people.complete(await next(people, ole), ole, receipt)
    await people.approve(await next(people, mia), mia)
    await people.approve(await next(people, 'director'), 'director')
    await people.reject(await next(people, 'bo'), 'bo')
    await people.approve(await next(people, 'bea'), 'bea')
    await people.approve(await next(people, 'bob'), 'bob')
    assert.deepEqual(await execution.result(), { status: 'approved', why: 'by the board' })
  })

  test('the time of a silent manager runs on while the engine is down', async () => {
    using folder = newFolder()
    {
      const { approveExpense, engine, people } = await open(folder.path, [], '1s')
      await using _engine = engine
      await engine.start(approveExpense, claim, { id: 'expense-1' })
      await people.complete(await next(people, ole), ole, receipt)
      await people.claim(await next(people, mia), mia)
    }
    await new Promise((wake) => setTimeout(wake, 1100))
    const { approveExpense, engine, people } = await open(folder.path, [], '1s')
    await using _engine = engine
    await people.approve(await next(people, 'deputy'), 'deputy')
    await people.approve(await next(people, 'director'), 'director')
    assert.equal((await engine.execution(approveExpense, 'expense-1').result()).status, 'approved')
  })
})
