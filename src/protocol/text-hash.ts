/**
 * A 32-bit hash of texts that spreads similar keys well: MurmurHash3_x86_32 of the text's UTF-16 units, little-endian.
 * Source: Austin Appleby, MurmurHash3.cpp (public domain). Not for secrets.
 */

/** @returns a whole number from 0 to 2^32 - 1 */
export function textHash(text: string, seed = 0): number {
  let hash = seed | 0
  const { length } = text
  const paired = length & ~1
  for (let i = 0; i < paired; i += 2) {
    hash ^= mixed(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (paired < length) hash ^= mixed(text.charCodeAt(paired))
  hash ^= length * 2
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mixed(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
