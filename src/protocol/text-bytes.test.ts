import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base64ToBytes, bytesToBase64, plainBase64, plainBytes, utf8Length } from './text-bytes.ts'

test('base64 without a Buffer is that of a Buffer, in both directions', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000, size: 'max' }), (bytes) => {
      const text = bytesToBase64(bytes)
      assert.equal(plainBase64(bytes), text)
      assert.deepEqual(plainBytes(text), bytes)
      assert.deepEqual(base64ToBytes(text), bytes)
    }),
    { numRuns: 200 },
  )
})

test('the size of a text is that of its UTF-8, lone surrogates included', () => {
  for (const text of ['', 'a', 'ä€😀', '\ud800', '\udc00x'])
    assert.equal(new TextEncoder().encode(text).length, utf8Length(text))
})
