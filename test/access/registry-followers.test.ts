// What follows the registry reads what has changed, and not all there is for each change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import { Namespaces } from '../../src/server/access/namespaces.ts'
import { Policies } from '../../src/server/access/policies.ts'
import { RoleBindings } from '../../src/server/access/role-bindings.ts'
import { person } from './access-fixtures.ts'
import { MemoryRegistry } from './memory-registry.ts'

const CHANGES = 200

class CountedRegistry extends MemoryRegistry {
  lists = 0

  override list(kind: string, namespace?: string): ReturnType<MemoryRegistry['list']> {
    this.lists += 1
    return super.list(kind, namespace)
  }
}

test('roles', async () => {
  const registry = new CountedRegistry()
  const binding = (user: number, namespace: string) => ({
    kind: 'role-binding',
    namespace,
    id: `viewer ${person(String(user)).id}`,
  })
  await registry.put(binding(0, 'first'), {})
  let told = 0
  const bindings = new RoleBindings(registry, () => {
    told += 1
  })
  for (let user = 0; user < CHANGES; user++) await registry.put(binding(user, 'a'), {})
  assert.deepEqual([registry.lists, told], [1, CHANGES])
  const rolesOf = (user: number, namespace: string) => bindings.rolesOf(person(String(user)), namespace)
  assert.deepEqual(
    [rolesOf(0, 'first'), rolesOf(0, 'a'), rolesOf(199, 'a')],
    [['viewer'], ['viewer'], ['viewer']],
  )
  assert.deepEqual(rolesOf(199, 'b'), [])
  await registry.put(binding(0, 'a'), undefined)
  assert.deepEqual([rolesOf(0, 'first'), rolesOf(0, 'a')], [['viewer'], []])
  bindings.close()
})

test('namespaces', async () => {
  const registry = new CountedRegistry()
  const place = (n: number) => ({ kind: 'namespace', namespace: '', id: `n-${n}` })
  await registry.put(place(0), { quotas: { payloadBytes: 1 } })
  const told: string[] = []
  const namespaces = new Namespaces(registry, true, (name) => told.push(name))
  for (let n = 1; n < CHANGES; n++) await registry.put(place(n), { quotas: { openTasks: n } })
  assert.equal(registry.lists, 1)
  assert.deepEqual(
    [namespaces.quotasOf('n-0'), namespaces.quotasOf('n-7')],
    [{ payloadBytes: 1 }, { openTasks: 7 }],
  )
  await registry.put(place(7), undefined)
  assert.deepEqual([namespaces.exists('n-7'), namespaces.exists('n-8')], [false, true])
  assert.equal(told.at(-1), 'n-7')
  namespaces.close()
})

test('policies that come together are put together once', async () => {
  const registry = new CountedRegistry()
  let renewals = 0
  const policies = await Policies.open({
    path: undefined,
    registry,
    logger: silentLogger,
    clock: new VirtualClock(0),
    onChange: () => {
      renewals += 1
    },
  })
  const before = policies.current.size
  const text = 'permit (principal, action == Perdure::Action::"ReadExecution", resource);'
  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      registry.put({ kind: 'policy', namespace: '', id: `p-${n}` }, { text }),
    ),
  )
  assert.deepEqual([policies.current.size - before, renewals], [50, 1])
  // Whoever has changed one finds it in force.
  await registry.put({ kind: 'policy', namespace: '', id: 'p-0' }, undefined)
  assert.deepEqual([policies.current.size - before, renewals], [49, 2])
  policies.close()
})
