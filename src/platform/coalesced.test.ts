import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coalesced } from './coalesced.ts'

interface Asked {
  readonly resolve: (answer: number) => void
  readonly reject: (error: Error) => void
}

function questions(): { readonly open: Asked[]; readonly ask: () => Promise<number> } {
  const open: Asked[] = []
  return {
    open,
    ask: coalesced(() => new Promise<number>((resolve, reject) => void open.push({ resolve, reject }))),
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('every answer was asked for after the call, however often it is called', async () => {
  const { open, ask } = questions()
  for (let round = 0; round < 5; round++) {
    const first = ask()
    const others = [ask(), ask(), ask()]
    assert.equal(open.length, 1)
    open.shift()?.resolve(round)
    assert.equal(await first, round)
    await turn()
    assert.equal(open.length, 1, 'one question for all that came meanwhile')
    const later = ask()
    open.shift()?.resolve(round + 100)
    assert.deepEqual(await Promise.all(others), [round + 100, round + 100, round + 100])
    await turn()
    open.shift()?.resolve(round + 200)
    assert.equal(await later, round + 200)
    await turn()
    assert.equal(open.length, 0)
  }
})

test('an error is told to those who asked then, and the next ones ask again', async () => {
  const { open, ask } = questions()
  const first = ask()
  const second = ask()
  open.shift()?.reject(new Error('no'))
  await assert.rejects(first, /no/)
  await turn()
  open.shift()?.resolve(1)
  assert.equal(await second, 1)
  const third = ask()
  assert.equal(open.length, 1)
  open.shift()?.resolve(2)
  assert.equal(await third, 2)
})
