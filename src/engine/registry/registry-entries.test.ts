import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RegistryRow } from '../../store/contract/registry-rows.ts'
import { RegistryEntries } from './registry-entries.ts'

const row = (id: string, revision: number, more: Partial<RegistryRow> = {}): RegistryRow => ({
  kind: 'role',
  namespace: '',
  id,
  revision,
  body: `{"n":${revision}}`,
  changedMs: 10 * revision,
  request: `r${revision}`,
  ...more,
})
const entriesOf = (...rows: readonly RegistryRow[]): RegistryEntries => {
  const entries = new RegistryEntries((error) => assert.fail(String(error)))
  for (const each of rows) entries.merge(each)
  return entries
}
const shown = (entries: RegistryEntries): unknown[] =>
  entries.list('role').map(({ id, revision }) => [id, revision])

describe('administrative objects in memory', () => {
  test('of an object the highest revision counts, in whatever order rows come', () => {
    const entries = entriesOf(row('a', 2), row('a', 1), row('b', 1))
    assert.deepEqual(shown(entries), [
      ['a', 2],
      ['b', 1],
    ])
    assert.deepEqual(entries.get('role', '', 'a'), {
      kind: 'role',
      namespace: '',
      id: 'a',
      revision: 2,
      body: { n: 2 },
      changedMs: 20,
    })
  })

  test('lists are in order of namespace and id, and new after each change', () => {
    const entries = entriesOf(row('b', 1), row('a', 1, { namespace: 'x' }), row('a', 1))
    const before = entries.list('role')
    assert.deepEqual(
      before.map(({ namespace, id }) => `${namespace}/${id}`),
      ['/a', '/b', 'x/a'],
    )
    assert.equal(entries.list('role'), before)
    assert.deepEqual(entries.list('role', 'x'), [before[2]])
    assert.deepEqual(entries.list('policy'), [])
    entries.merge(row('b', 2, { body: null }))
    assert.deepEqual(shown(entries), [
      ['a', 1],
      ['a', 1],
    ])
  })

  test('what is asked of a namespace is not made anew by what others change', () => {
    const entries = entriesOf(row('a', 1, { namespace: 'ours' }), row('b', 1, { namespace: 'ours' }))
    const before = entries.list('role', 'ours')
    for (let n = 0; n < 1000; n++) entries.merge(row(`t-${n}`, 1, { namespace: `theirs-${n % 10}` }))
    assert.equal(entries.list('role', 'ours'), before)
    assert.equal(entries.list('role').length, 1002)
    entries.merge(row('a', 2, { namespace: 'ours', body: null }))
    assert.deepEqual(
      entries.list('role', 'ours').map(({ id }) => id),
      ['b'],
    )
    entries.merge(row('b', 2, { namespace: 'ours', body: null }))
    assert.deepEqual([entries.list('role', 'ours'), entries.get('role', 'ours', 'b')], [[], undefined])
  })

  test('the mark is that of all rows, those of deleted objects included', () => {
    const entries = entriesOf(row('a', 1), row('b', 3), row('a', 4, { body: null }))
    assert.deepEqual(entries.mark, { count: 2, revisions: 7, changedMs: 40 })
    assert.deepEqual([entries.living, entries.bytes], [1, '{"n":3}'.length])
    assert.equal(entries.get('role', '', 'a'), undefined)
    assert.equal(entries.row(row('a', 0))?.revision, 4)
  })

  test('what was read takes the place of what is known, also where it is older', () => {
    const entries = entriesOf(row('a', 3), row('b', 1), row('c', 1))
    entries.beginReplacing()
    entries.replace([row('a', 2), row('c', 1)])
    assert.deepEqual(shown(entries), [
      ['a', 2],
      ['c', 1],
    ])
    assert.deepEqual(entries.mark, { count: 2, revisions: 3, changedMs: 20 })
  })

  test('what has come while all was read stays', () => {
    const entries = entriesOf(row('a', 1))
    entries.beginReplacing()
    entries.merge(row('a', 3))
    entries.merge(row('b', 1))
    entries.replace([row('a', 2)])
    assert.deepEqual(shown(entries), [
      ['a', 3],
      ['b', 1],
    ])
  })

  test('followers are told of each change of their kind, until they end it', () => {
    const entries = entriesOf()
    const told: unknown[] = []
    const unfollow = entries.follow('role', ({ id }, entry) => told.push([id, entry?.revision]))
    entries.follow('policy', () => assert.fail('of another kind'))
    entries.merge(row('a', 1))
    entries.merge(row('a', 1))
    entries.merge(row('a', 2, { body: null }))
    entries.merge(row('b', 1, { body: null }))
    entries.beginReplacing()
    entries.replace([row('a', 3)])
    entries.beginReplacing()
    entries.replace([])
    unfollow()
    entries.merge(row('c', 1))
    assert.deepEqual(told, [
      ['a', 1],
      ['a', undefined],
      ['a', 3],
      ['a', undefined],
    ])
  })

  test('a follower that throws is told of, and keeps nothing from others', () => {
    const errors: unknown[] = []
    const entries = new RegistryEntries((error) => errors.push(error))
    const told: string[] = []
    entries.follow('role', () => {
      throw new Error('broken')
    })
    entries.follow('role', ({ id }) => told.push(id))
    entries.merge(row('a', 1))
    assert.deepEqual([told, errors.map(String)], [['a'], ['Error: broken']])
  })

  test('nobody can change what others get', () => {
    const entries = entriesOf(row('a', 1, { body: '{"list":[{"n":1}]}' }))
    const body = entries.get('role', '', 'a')?.body as { list: { n: number }[] }
    assert.throws(() => body.list.push({ n: 2 }), TypeError)
    assert.ok(Object.isFrozen(body.list[0]))
  })
})
