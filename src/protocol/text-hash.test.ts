import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { textHash } from './text-hash.ts'

describe('the hash of texts', () => {
  // Published vectors of MurmurHash3_x86_32 over bytes; a UTF-16 unit is two bytes, the low one first.
  const vectors: [text: string, seed: number, hash: number][] = [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['\uffff\uffff', 0, 0x76293b50],
    ['\u4321\u8765', 0, 0xf55b516b],
    ['\u4321\u8765', 0x5082edee, 0x2362f9de],
    ['\u4321', 0, 0xa0f7b07a],
    ['\u0000\u0000', 0, 0x2362f9de],
  ]
  for (const [text, seed, hash] of vectors) {
    it(`is MurmurHash3: ${JSON.stringify(text)} with seed ${seed}`, () =>
      assert.equal(textHash(text, seed), hash))
  }

  for (const [name, text, seed] of [
    ['keys that count up', (i: number) => `order-${i}`, () => 0],
    ['seeds that count up', () => 'worker-1', (i: number) => i],
  ] as const) {
    it(`spreads ${name} evenly over any number of places`, () => {
      for (const places of [2, 10, 64]) {
        const counts = new Array<number>(places).fill(0)
        const keys = places * 500
        for (let i = 0; i < keys; i++) {
          const place = textHash(text(i), seed(i)) % places
          counts[place] = (counts[place] ?? 0) + 1
        }
        // Chi-square has mean places - 1 and variance twice that; 5 standard deviations are beyond chance.
        const chi = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0)
        const free = places - 1
        assert.ok(Math.abs(chi - free) < 5 * Math.sqrt(2 * free), `${places} places: chi-square ${chi}`)
      }
    })
  }
})
