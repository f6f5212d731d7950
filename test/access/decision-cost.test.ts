// What a decision costs, for people to read: nothing here fails because it is slow.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as resources from '../../src/server/access/resources.ts'
import { openAccess, person } from './access-fixtures.ts'

const ROUNDS = 5000

function microseconds(rounds: number, call: () => void): string {
  for (let i = 0; i < rounds / 10; i++) call()
  const beginMs = performance.now()
  for (let i = 0; i < rounds; i++) call()
  return (((performance.now() - beginMs) * 1000) / rounds).toFixed(1)
}

test('the cost of one decision', async (context) => {
  await using opened = await openAccess()
  const caller = person('ann', ['staff', 'office'], ['developer'])
  const resource = resources.execution({ namespace: 'default', workflowId: 'order-1' })
  const { authorizer, policies } = opened.access
  const kept = microseconds(20 * ROUNDS, () => authorizer.decide(caller, 'SignalExecution', resource))
  const request = authorizer.requestOf(caller, 'SignalExecution', resource)
  const made = microseconds(ROUNDS, () => policies.current.decide(request))
  const { key } = await opened.admin.createKey({ ...caller, roles: ['admin@*'] }, { name: 'k' })
  const authorization = `Bearer ${key}`
  const beginMs = performance.now()
  for (let i = 0; i < ROUNDS; i++) await opened.access.authenticate({ authorization, address: '192.0.2.1' })
  const entered = (((performance.now() - beginMs) * 1000) / ROUNDS).toFixed(1)
  context.diagnostic(
    `a decision that is kept ${kept} us, one that is made ${made} us; an API key ${entered} us`,
  )
  assert.ok(authorizer.counts.cached >= 20 * ROUNDS)
})
