// Two claims: the director decides the first one after the manager was silent; nobody decides the second one.
//
//   npm run example -- expense-approval

import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine } from 'perdure'
import { approveExpenseWith, asked, decision, type Mail } from './approve-expense.ts'

const mail: Mail = { send: async (to, text) => console.log(`  mail to ${to}: ${text}`) }
const approveExpense = approveExpenseWith(mail, '500ms')

using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-expenses-'))
await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'expenses.db')}`,
  workflows: [approveExpense],
})

const claim = {
  employee: 'ada',
  purpose: 'a train ticket',
  amountCents: 12_900,
  approvers: ['manager', 'director'],
}
const ticket = await engine.start(approveExpense, claim, { id: 'expense-1' })
await ticket.signal(decision, { by: 'a stranger', approved: true })
while (!(await ticket.query(asked)).includes('director')) await new Promise((wake) => setTimeout(wake, 20))
await ticket.signal(decision, { by: 'director', approved: true })
console.log(await ticket.result())

const yacht = await engine.start(approveExpense, { ...claim, purpose: 'a yacht' }, { id: 'expense-2' })
console.log(await yacht.result())
