// Whoever has a schedule start something needs permission for what it starts, whoever has made the schedule.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, openAccess, person } from './access-fixtures.ts'

test('a schedule that starts what one may not start can only be paused', async () => {
  for (const [workflow, expected] of [
    ['payroll', 'FORBIDDEN'],
    ['orders', 'done'],
  ] as const) {
    const start = { workflow, idPrefix: 's' }
    await using opened = await openAccess({}, { 'schedules.describe': () => ({ id: 's', spec: { start } }) })
    await opened.admin.putPolicy(
      { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] },
      'freeze',
      `forbid (principal, action == Perdure::Action::"StartExecution", resource)
       when { resource has workflow && resource.workflow == "payroll" };`,
    )
    const { schedules } = opened.access.portOf(person('ann', [], ['developer']))
    const schedule = { namespace: 'default', id: 's' }
    const calls = [
      () => schedules.trigger(schedule, { requestId: 'r' }),
      () => schedules.backfill(schedule, { fromMs: 0, toMs: 1 } as never),
      () => schedules.resume(schedule),
      () => schedules.update(schedule, { jitterMs: 5 }),
    ]
    for (const call of calls) assert.equal(await codeOf(call()), expected, workflow)
    assert.equal(await codeOf(schedules.pause(schedule, 'why')), 'done')
  }
})
