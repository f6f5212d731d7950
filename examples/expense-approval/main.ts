// A train ticket, whose manager is silent, so that the deputy decides; and a yacht, which the board refuses.
//
//   npm run example -- expense-approval

import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine, type HumanTask, type Person } from 'perdure'
import { approveExpenseWith, type Mail } from './approve-expense.ts'

const mail: Mail = { send: async (to, text) => console.log(`  mail to ${to}: ${text}`) }
const approveExpense = approveExpenseWith(mail, '500ms')

using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-expenses-'))
await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'expenses.db')}`,
  workflows: [approveExpense],
})
const { people } = engine

/** The next task in the inbox of this person. */
async function next(person: Person): Promise<HumanTask> {
  for (;;) {
    const [task] = (await people.inbox(person)).tasks
    if (task !== undefined) return task
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

const ole: Person = { user: 'ole', groups: ['office'] }
const mia: Person = { user: 'mia', groups: ['managers'] }

async function check(amountCents: number): Promise<void> {
  const { id } = await next(ole)
  await people.claim(id, ole)
  await people.complete(id, ole, { data: { amountCents, costCentre: 'K7' } })
}

const claim = { employee: 'ada', purpose: 'a train ticket', amountCents: 12_900 }
const ticket = await engine.start(approveExpense, claim, { id: 'expense-1' })
await check(12_900)
await people.claim((await next(mia)).id, mia)
const late = await next('deputy')
console.log(`  mia was silent: '${late.title}' is in the inbox of the deputy`)
await people.approve(late.id, 'deputy')
await people.approve((await next('director')).id, 'director')
console.log(await ticket.result())
for (const { event } of await people.history(late.id)) {
  const what = event.type === 'human-task-changed' ? event.change.kind : event.type
  console.log(`  ${new Date(event.at).toISOString()}  ${what}${'by' in event ? ` by ${event.by}` : ''}`)
}

const yacht = await engine.start(approveExpense, { ...claim, purpose: 'a yacht', amountCents: 90_000_000 })
await check(90_000_000)
await people.approve((await next(mia)).id, mia, { comment: 'I could use one, too' })
const { id } = await next('director')
await people.comment(id, 'director', 'really?')
await people.approve(id, 'director')
await people.reject((await next('bea')).id, 'bea', { comment: 'no' })
await people.reject((await next('bo')).id, 'bo', { comment: 'no' })
console.log(await yacht.result())
