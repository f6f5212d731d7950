// Policies that look at tasks which are enqueued.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../src/protocol/caller.ts'
import { openAccess, person } from './access-fixtures.ts'

const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

test('a policy looks at each task of a list, by its id too', async () => {
  await using opened = await openAccess()
  await opened.admin.putPolicy(
    rules,
    'own',
    `forbid (principal, action == Perdure::Action::"EnqueueTask", resource)
     when { resource has id && resource.id like "kept-*" };`,
  )
  const { tasks } = opened.access.portOf(person('ann', ['staff'], ['developer']))
  const enqueue = (...ids: readonly (string | undefined)[]): Promise<unknown> =>
    tasks.enqueue(
      ids.map((id) => ({
        ...{ namespace: 'default', queue: 'q', name: 't', input: [1, 'json', null, 1] as const },
        ...(id === undefined ? {} : { id }),
      })),
    )
  const forbidden = { code: 'FORBIDDEN' }
  await assert.rejects(enqueue('kept-1'), forbidden)
  await assert.rejects(enqueue('free-1', 'kept-1'), forbidden)
  await assert.rejects(enqueue(undefined, 'kept-1'), forbidden)
  await enqueue('free-1', undefined, 'free-2')
})
