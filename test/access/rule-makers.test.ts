// Whose rules may act: by what their makers may do by then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { type RuleMaker, ruleMakerOf } from '../../src/server/access/rule-maker.ts'
import { type OpenedAccess, openAccess, person } from './access-fixtures.ts'

const target = { key: { namespace: 'default', workflowId: 'w' } }
const payload = [1, 'json', null, 1] as never
const tokens = [{ issuer: 'https://issuer.test', audience: 'perdure', algorithms: ['ES256'] }] as const

/** What becomes of a signal by a rule of this maker. */
async function signalled({ access }: OpenedAccess, maker: RuleMaker | undefined): Promise<string> {
  try {
    const port = await access.actingPort({ maker, namespace: 'default', name: 'event rule r' })
    await port.signal(target, 'go', payload, 'request')
    return 'done'
  } catch (error) {
    if (error instanceof PerdureError) return `${error.code} ${error.message}`
    throw error
  }
}

test('a maker with a token acts while tokens of its issuer are accepted', async () => {
  const maker = ruleMakerOf(person('ann', [], ['operator']))
  {
    await using opened = await openAccess({ tokens })
    assert.equal(await signalled(opened, maker), 'done')
    assert.deepEqual(opened.calls, ['signal'])
    // Another issuer whose name begins like that of the first; none has a fragment.
    const other = { ...maker, id: 'token:https://issuer.test.evil#ann' }
    assert.match(
      await signalled(opened, other),
      /^FORBIDDEN .*tokens of its maker, .* are not accepted any more/,
    )
  }
  await using opened = await openAccess()
  assert.match(await signalled(opened, maker), /^FORBIDDEN tokens of its maker/)
  assert.deepEqual(opened.calls, [])
})

test('a maker with a certificate, or in a group, acts by the roles that are bound by then', async () => {
  await using opened = await openAccess({ tokens })
  const ann: Caller = { id: 'certificate:ann', kind: 'certificate', user: 'ann', groups: [] }
  const eve = ruleMakerOf(person('eve', ['staff']))
  assert.match(await signalled(opened, ruleMakerOf(ann)), /^FORBIDDEN .*no permission for SignalExecution/)
  assert.match(await signalled(opened, undefined), /^FORBIDDEN/)
  assert.deepEqual(
    opened.refusals.map(({ caller, action, resource }) => [caller.id, caller.name, action, resource.id]),
    [
      ['certificate:ann', 'event rule r', 'SignalExecution', 'w'],
      ['unknown', 'event rule r', 'SignalExecution', 'w'],
    ],
  )
  await opened.bind('certificate:ann', 'developer', 'default')
  await opened.bind('group:staff', 'viewer', 'default')
  assert.equal(await signalled(opened, ruleMakerOf(ann)), 'done')
  assert.match(await signalled(opened, eve), /^FORBIDDEN .*no permission for SignalExecution/)
})

test('a key that has expired acts no more, and neither does a maker that is not known', async () => {
  await using opened = await openAccess()
  const admin: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
  const made = await opened.admin.createKey(admin, { name: 'a', roles: ['operator'], expiresInMs: 60_000 })
  const authorization = `Bearer ${made.key}`
  const caller = await opened.access.authenticate({ authorization, address: '192.0.2.1' })
  const maker = opened.access.makerOf(caller)
  assert.equal(JSON.stringify(maker).includes(made.key.slice(-20)), false)
  assert.equal(await signalled(opened, maker), 'done')
  opened.pass(60_000)
  assert.match(await signalled(opened, maker), /^FORBIDDEN .*the API key \w+ has expired/)
  assert.match(await signalled(opened, { ...maker, id: 'key:000000000000' }), /there is no API key/)
  assert.match(await signalled(opened, undefined), /it is not known who has made it/)
  for (const kind of ['open', 'embedded'] as const)
    assert.match(await signalled(opened, { id: kind, kind, groups: [], roles: ['admin@*'] }), /^FORBIDDEN/)
})

test('a rule acts from where its maker has made it', async () => {
  await using opened = await openAccess({ tokens })
  await opened.admin.putPolicy(
    { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] },
    'office',
    `forbid (principal, action == Perdure::Action::"SignalExecution", resource)
     unless { context has address && context.address.isInRange(ip("10.20.0.0/16")) };`,
  )
  const ann = person('ann', [], ['operator'])
  assert.match(await signalled(opened, ruleMakerOf(ann)), /^FORBIDDEN/)
  assert.equal(await signalled(opened, ruleMakerOf({ ...ann, address: '10.20.1.1' })), 'done')
})
