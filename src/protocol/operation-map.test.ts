import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { OperationMap } from './operation-map.ts'

describe('OperationMap', () => {
  test('answers as a Map does, whatever is set and deleted', () => {
    const change = fc.record({ op: fc.integer({ min: 1, max: 4 }), value: fc.option(fc.string()) })
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const model = new Map<number, string>()
        const map = new OperationMap<string>()
        for (const { op, value } of changes) {
          if (value === null) {
            model.delete(op)
            map.delete(op)
          } else {
            model.set(op, value)
            map.set(op, value)
          }
          assert.deepEqual([...map], [...model])
          assert.deepEqual([...map.keys()], [...model.keys()])
          assert.deepEqual([...map.values()], [...model.values()])
          assert.equal(map.size, model.size)
          for (const asked of [0, 1, 2, 3, 4]) {
            assert.equal(map.get(asked), model.get(asked))
            assert.equal(map.has(asked), model.has(asked))
          }
        }
        assert.deepEqual([...new OperationMap(map)], [...model])
      }),
    )
  })

  test('may lose entries while it is walked', () => {
    const map = new OperationMap([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ])
    for (const [op] of map) if (op !== 2) map.delete(op)
    assert.deepEqual([...map], [[2, 'b']])
    for (const [op] of map) map.delete(op)
    assert.equal(map.size, 0)
  })
})
