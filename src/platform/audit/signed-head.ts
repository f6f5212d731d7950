/**
 * Signed tree heads: what all chains of the audit trail had at one time, signed with Ed25519. Each names the hash of the one before,
 * so that none can be taken out.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { AuditHeadBody, ChainPlace, SignedHead } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import { merkleRoot } from './merkle-tree.ts'

export interface AuditSigner {
  readonly keyId: string
  /** Base64. */
  sign(body: string): string
}

/** The first 16 bytes of SHA-256 of the key as SPKI, in hexadecimal digits. */
export function keyIdOf(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('hex').slice(0, 32)
}

export function signerOf(privateKey: KeyObject): AuditSigner {
  const keyId = keyIdOf(createPublicKey(privateKey))
  return { keyId, sign: (body) => sign(null, Buffer.from(body), privateKey).toString('base64') }
}

export function signedHead(head: Omit<AuditHeadBody, 'root'>, signer: AuditSigner): SignedHead {
  const { number, atMs, prev, leaves, dropped } = head
  const body = canonicalJson({ number, atMs, prev, root: rootOf(leaves), leaves, dropped })
  return { number, atMs, body, signature: signer.sign(body), keyId: signer.keyId }
}

export function rootOf(leaves: readonly ChainPlace[]): string {
  return merkleRoot(leaves.map((leaf) => canonicalJson(leaf)))
}

/** Public keys that are trusted, by their ids. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>

export function trustedKeys(keys: readonly KeyObject[]): TrustedKeys {
  return new Map(keys.map((key) => [keyIdOf(key), key]))
}

/** Undefined: it is signed by a key that is trusted. Otherwise what is wrong. */
export function signatureFault(
  { body, signature, keyId }: SignedHead,
  keys: TrustedKeys,
): string | undefined {
  const key = keys.get(keyId)
  if (key === undefined) return `it is signed by the key ${keyId}, which is not among those that are trusted`
  const bytes = Buffer.from(signature, 'base64')
  // Other letters may stand for the same bytes.
  if (bytes.toString('base64') !== signature) return 'its signature is not as it was written'
  return verify(null, Buffer.from(body), key, bytes) ? undefined : 'its signature is not that of its body'
}
