/**
 * The Merkle tree of RFC 6962, section 2.1: leaves are hashed behind a byte 0x00, inner nodes behind 0x01, so that no node can
 * pass for a leaf. Of n leaves the left part has the largest power of two that is smaller than n.
 */
import { createHash } from 'node:crypto'

const LEAF = Buffer.from([0x00])
const NODE = Buffer.from([0x01])

/** In hexadecimal digits; of no leaves the hash of nothing. */
export function merkleRoot(leaves: readonly (string | Buffer)[]): string {
  const { length } = leaves
  if (length === 0) return createHash('sha256').digest('hex')
  return rootOf(leaves, 0, length).toString('hex')
}

function rootOf(leaves: readonly (string | Buffer)[], from: number, to: number): Buffer {
  const count = to - from
  if (count === 1)
    return createHash('sha256')
      .update(LEAF)
      .update(leaves[from] ?? '')
      .digest()
  const left = 2 ** (31 - Math.clz32(count - 1))
  return createHash('sha256')
    .update(NODE)
    .update(rootOf(leaves, from, from + left))
    .update(rootOf(leaves, from + left, to))
    .digest()
}
