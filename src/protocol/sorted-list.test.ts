import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SortedList } from './sorted-list.ts'

interface Item {
  readonly key: number
}

const compare = (a: Item, b: Item): number => a.key - b.key

function keysOf(
  list: SortedList<Item, Item>,
  direction: 'up' | 'down',
  from?: number,
  limit = 1e9,
): number[] {
  const keys: number[] = []
  const position = from === undefined ? undefined : { key: from }
  const visit = (item: Item): boolean => {
    keys.push(item.key)
    return keys.length < limit
  }
  if (direction === 'up') list.ascend(position, visit)
  else list.descend(position, visit)
  return keys
}

describe('SortedList', () => {
  test('equals a sorted set, whatever is added and deleted', () => {
    const operation = fc.record({ isAdd: fc.boolean(), key: fc.nat(40) })
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 200 }),
        fc.integer({ min: -1, max: 42 }),
        (operations, from) => {
          const list = new SortedList<Item, Item>(compare)
          const model = new Set<number>()
          for (const { isAdd, key } of operations) {
            if (isAdd) {
              assert.equal(list.add({ key }), !model.has(key))
              model.add(key)
            } else assert.equal(list.delete({ key }), model.delete(key))
          }
          const sorted = [...model].toSorted((a, b) => a - b)
          assert.deepEqual(keysOf(list, 'up'), sorted)
          assert.deepEqual(keysOf(list, 'down'), sorted.toReversed())
          const after = sorted.filter((key) => key > from)
          const before = sorted.filter((key) => key < from).toReversed()
          assert.deepEqual(keysOf(list, 'up', from), after)
          assert.deepEqual(keysOf(list, 'down', from), before)
          assert.deepEqual(keysOf(list, 'up', from, 1), after.slice(0, 1))
        },
      ),
    )
  })

  test('holds thousands of items in many chunks, added in any order', () => {
    const keys = Array.from({ length: 5_000 }, (_, i) => (i * 2_741) % 5_000)
    const list = new SortedList<Item, Item>(compare)
    for (const key of keys) assert.ok(list.add({ key }))
    const sorted = keys.toSorted((a, b) => a - b)
    assert.deepEqual(keysOf(list, 'up'), sorted)
    for (let key = 0; key < 5_000; key += 700) {
      assert.deepEqual(keysOf(list, 'up', key, 3), sorted.slice(key + 1, key + 4))
      assert.deepEqual(keysOf(list, 'down', key, 3), sorted.slice(Math.max(key - 3, 0), key).toReversed())
    }
    for (const key of keys) assert.ok(list.delete({ key }))
    assert.deepEqual(keysOf(list, 'up'), [])
    assert.deepEqual(keysOf(list, 'down'), [])
  })
})
