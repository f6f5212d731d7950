/** Planted bugs that tests find, each by a test file of its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { huntAll } from './hunting.ts'
import { mutants } from './mutants.ts'

test('each planted bug that a test file finds is caught', async () => {
  const tested = mutants.filter(({ suite }) => suite !== undefined)
  assert.ok(tested.length > 0 && tested.length < mutants.length)
  const caught = await huntAll(undefined, tested)
  const missed = caught.filter(({ violation }) => violation === null).map(({ name }) => name)
  assert.deepEqual(missed, [])
})
