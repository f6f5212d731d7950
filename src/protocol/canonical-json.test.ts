import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from './canonical-json.ts'
import type { Json } from './json.ts'

test('names are in order, and nothing is between them', () => {
  const value = { b: [1, 2.5, 1e21], a: { z: null, é: 'é\n', aa: true }, '': 0 }
  assert.equal(canonicalJson(value), '{"":0,"a":{"aa":true,"z":null,"é":"é\\n"},"b":[1,2.5,1e+21]}')
})

test('equal values have equal texts, and the text is the value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value as Json)
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      assert.equal(canonicalJson(JSON.parse(text) as Json), text)
    }),
  )
})

test('what JSON does not have is refused', () => {
  assert.throws(() => canonicalJson(Number.NaN), TypeError)
  assert.throws(() => canonicalJson([Number.POSITIVE_INFINITY]), TypeError)
})
