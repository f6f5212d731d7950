import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrimaryPositions } from './primary-position.ts'

test('one answer serves all that asked before it was asked for, and none that asked after', async () => {
  let asked = 0
  const answers: ((lsn: string) => void)[] = []
  const positions = new PrimaryPositions(() => {
    asked += 1
    return new Promise((resolve) => answers.push((lsn) => resolve([{ lsn, system: '1' }])))
  })
  const first = positions.now()
  await sleep(0)
  assert.equal(asked, 1)
  const others = Array.from({ length: 100 }, () => positions.now())
  await sleep(0)
  assert.equal(asked, 1, 'one at a time')
  answers[0]?.('0/1')
  assert.equal((await first).lsn, '0/1')
  await sleep(0)
  assert.equal(asked, 2)
  answers[1]?.('0/2')
  for (const each of await Promise.all(others)) assert.equal(each.lsn, '0/2')
})

test('a failure is told to those that waited for it, and the next one is asked anew', async () => {
  let asked = 0
  const positions = new PrimaryPositions(async () => {
    asked += 1
    if (asked === 1) throw new Error('not allowed')
    return [{ lsn: '0/3', system: '1' }]
  })
  await assert.rejects(positions.now(), /not allowed/)
  assert.equal((await positions.now()).lsn, '0/3')
})
