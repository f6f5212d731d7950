// Money transfer: done, compensated or refused; and the bank counts no operation twice.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Bank, RefusedError } from '../../examples/money-transfer/bank.ts'
import { transferMoneyWith } from '../../examples/money-transfer/transfer-money.ts'
import { createEngine, silentLogger } from '../../src/index.ts'

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-transfers-'))

function openBank(folder: string): Bank {
  const bank = new Bank(join(folder, 'bank.db'))
  bank.openAccount('ada', 100)
  bank.openAccount('grace', 50)
  bank.openAccount('closed', 0, false)
  return bank
}

async function openEngine(folder: string, bank: Pick<Bank, 'post'>) {
  const transferMoney = transferMoneyWith(bank)
  const store = `sqlite:${join(folder, 'transfers.db')}`
  const engine = await createEngine({ store, workflows: [transferMoney], logger: silentLogger })
  return { transferMoney, engine }
}

describe('the bank', () => {
  test('counts an operation once, however often it is asked for', () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    for (let call = 0; call < 3; call++) bank.post('ada', -40, 'key-1')
    assert.equal(bank.balance('ada'), 60)
    assert.equal(bank.entries, 1)
  })

  test('refuses what cannot be, and keeps no trace of it', () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    for (const [account, cents] of [
      ['ada', -101],
      ['closed', 1],
      ['nobody', 1],
    ] as const) {
      assert.throws(() => bank.post(account, cents, `key of ${account}`), RefusedError)
    }
    assert.equal(bank.balance(), 150)
    assert.equal(bank.entries, 0)
  })
})

describe('a money transfer', () => {
  test('moves the money', async () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    const { transferMoney, engine } = await openEngine(folder.path, bank)
    await using _engine = engine
    const execution = await engine.start(transferMoney, { from: 'ada', to: 'grace', amountCents: 30 })
    assert.deepEqual(await execution.result(), { status: 'done' })
    assert.deepEqual([bank.balance('ada'), bank.balance('grace')], [70, 80])
  })

  test('gives the money back when it cannot be paid in', async () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    const { transferMoney, engine } = await openEngine(folder.path, bank)
    await using _engine = engine
    const execution = await engine.start(transferMoney, { from: 'ada', to: 'closed', amountCents: 30 })
    assert.deepEqual(await execution.result(), { status: 'compensated', reason: 'account closed is closed' })
    assert.equal(bank.balance('ada'), 100)
    assert.equal(bank.entries, 2)
  })

  test('moves nothing when the bank refuses to take it out', async () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    const { transferMoney, engine } = await openEngine(folder.path, bank)
    await using _engine = engine
    const execution = await engine.start(transferMoney, { from: 'ada', to: 'grace', amountCents: 101 })
    assert.equal((await execution.result()).status, 'refused')
    assert.equal(bank.entries, 0)
  })

  test('asks again when the answer of the bank was lost, and the money moves once', async () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    let lost = 0
    const unreliable: Pick<Bank, 'post'> = {
      post: (account, cents, key) => {
        bank.post(account, cents, key)
        if (lost++ % 2 === 0) throw new Error('the connection was lost after the bank had answered')
      },
    }
    const { transferMoney, engine } = await openEngine(folder.path, unreliable)
    await using _engine = engine
    const execution = await engine.start(transferMoney, { from: 'ada', to: 'grace', amountCents: 30 })
    assert.deepEqual(await execution.result(), { status: 'done' })
    assert.deepEqual([bank.balance('ada'), bank.balance('grace'), lost], [70, 80, 4])
  })

  test('goes on to its end when it is cancelled while money is on its way', async () => {
    using folder = newFolder()
    using bank = openBank(folder.path)
    const answer = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const slow = {
      post: async (account: string, cents: number, key: string): Promise<void> => {
        bank.post(account, cents, key)
        asked.resolve()
        await answer.promise
      },
    }
    const { transferMoney, engine } = await openEngine(folder.path, slow)
    await using _engine = engine
    const execution = await engine.start(transferMoney, { from: 'ada', to: 'grace', amountCents: 30 })
    await asked.promise
    await execution.cancel()
    answer.resolve()
    assert.deepEqual(await execution.result(), { status: 'done' })
    assert.equal(bank.balance(), 150)
  })
})
