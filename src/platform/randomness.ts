/** Randomness: uniform numbers in [0, 1), from the system or from a seed. */
import { randomFillSync } from 'node:crypto'

export type Randomness = () => number

const DRAWN = 512
const drawn = new Uint32Array(2 * DRAWN)
let next = drawn.length

/** Nobody can guess what comes from what came: ids of runs and sessions are made of it. 53 bits, drawn for many at once. */
export const systemRandomness: Randomness = () => {
  if (next === drawn.length) {
    randomFillSync(drawn)
    next = 0
  }
  const high = (drawn[next] ?? 0) >>> 5
  const low = (drawn[next + 1] ?? 0) >>> 6
  next += 2
  return (high * 0x400_0000 + low) / 0x20_0000_0000_0000
}

/**
 * A seeded generator: sfc32, 128 bits of state, seeded through splitmix32 of a 32-bit seed. Same seed, same numbers.
 * Source: PractRand, Chris Doty-Humphrey. Not for secrets.
 */
export function seededRandomness(seed: number): Randomness {
  let mix = seed | 0
  const next = (): number => {
    mix = (mix + 0x9e3779b9) | 0
    let t = mix ^ (mix >>> 16)
    t = Math.imul(t, 0x21f0aaad)
    t ^= t >>> 15
    t = Math.imul(t, 0x735a2d97)
    return (t ^ (t >>> 15)) | 0
  }
  let a = next()
  let b = next()
  let c = next()
  let counter = 1
  const draw: Randomness = () => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return (t >>> 0) / 4_294_967_296
  }
  for (let i = 0; i < 12; i++) draw()
  return draw
}

/** 32-bit FNV-1a over UTF-16 units: turns a text, such as a run id, into a seed. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
