// Three transfers: one that is done, one to a closed account that is given back, one that the bank refuses.
//
//   npm run example -- money-transfer

import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine } from 'perdure'
import { Bank } from './bank.ts'
import { transferMoneyWith } from './transfer-money.ts'

using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-transfers-'))
using bank = new Bank(join(folder.path, 'bank.db'))
bank.openAccount('ada', 100_00)
bank.openAccount('grace', 50_00)
bank.openAccount('old account of grace', 0, false)

const transferMoney = transferMoneyWith(bank)
await using engine = await createEngine({
  store: `sqlite:${join(folder.path, 'transfers.db')}`,
  workflows: [transferMoney],
})

const transfers = [
  { from: 'ada', to: 'grace', amountCents: 30_00 },
  { from: 'ada', to: 'old account of grace', amountCents: 30_00 },
  { from: 'grace', to: 'ada', amountCents: 5_000_00 },
]
for (const [number, transfer] of transfers.entries()) {
  const execution = await engine.start(transferMoney, transfer, { id: `transfer-${number + 1}` })
  console.log(`${transfer.from} -> ${transfer.to}, ${transfer.amountCents / 100}:`, await execution.result())
}

for (const name of ['ada', 'grace', 'old account of grace']) console.log(name, bank.balance(name) / 100)
console.log('in all', bank.balance() / 100)
