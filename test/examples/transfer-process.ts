/**
 * A process that moves money until it is killed: a number of transfers is always in flight.
 *
 * It loads its code, says `loaded`, and touches no file before its parent says `go`: so the next process can load while
 * the one before it runs. On `finish` it starts no more transfers, waits for the end of all, and says `finished`.
 */
import { join } from 'node:path'
import process from 'node:process'
import { Bank } from '../../examples/money-transfer/bank.ts'
import { transferMoneyWith } from '../../examples/money-transfer/transfer-money.ts'
import { createEngine, jsonLogger } from '../../src/index.ts'
import { accounts } from './transfer-accounts.ts'

const inFlight = 8
const [folder = ''] = process.argv.slice(2)

const orphaned = () => process.exit(1)
process.on('disconnect', orphaned)
const told = { go: Promise.withResolvers<void>(), finish: Promise.withResolvers<void>() }
let finishing = false
process.on('message', (word: 'go' | 'finish') => {
  told[word].resolve()
  if (word === 'finish') finishing = true
})
process.send?.('loaded')
await told.go.promise

using bank = new Bank(join(folder, 'bank.db'))
const transferMoney = transferMoneyWith(bank)
await using engine = await createEngine({
  store: `sqlite:${join(folder, 'transfers.db')}`,
  workflows: [transferMoney],
  logger: jsonLogger('error'),
})
process.send?.('running')

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T

async function moveMoney(): Promise<void> {
  while (!finishing) {
    const transfer = {
      from: pick(accounts.filter(({ isOpen }) => isOpen)).name,
      to: pick(accounts).name,
      amountCents: 1 + Math.floor(Math.random() * 100),
    }
    const execution = await engine.start(transferMoney, transfer)
    await execution.result()
  }
}
await Promise.all(Array.from({ length: inFlight }, moveMoney))
await told.finish.promise

// Those that earlier processes left behind have gone on by themselves.
const ended: Record<string, number> = {}
let cursor: string | undefined
do {
  const page = await engine.list({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) })
  for (const { id } of page.executions) {
    const { status } = await engine.execution(transferMoney, id).result()
    ended[status] = (ended[status] ?? 0) + 1
  }
  cursor = page.cursor
} while (cursor !== undefined)
process.send?.({ ended })
process.off('disconnect', orphaned)
process.disconnect?.()
