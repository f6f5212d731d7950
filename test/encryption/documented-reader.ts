/** Reads an encrypted payload as docs/encryption.md describes it, and by nothing of the sources. */
import { constants, createDecipheriv, privateDecrypt } from 'node:crypto'
import type { Json } from '../../src/protocol/json.ts'
import type { Payload } from '../../src/protocol/payload.ts'

export interface GoldenEnvelope {
  readonly namespace: string
  readonly owner: string
  readonly purpose: string
  readonly payload: Payload
}

export interface GoldenEnvelopes {
  /** For tests only. */
  readonly privateKey: string
  readonly cases: readonly (GoldenEnvelope & { readonly value: Json })[]
}

export function openedByTheDocs(
  { namespace, owner, purpose, payload }: GoldenEnvelope,
  privateKey: string,
): Json {
  const [format, codec, keyId, data] = payload
  if (format !== 1 || codec !== 'aes-256-gcm' || keyId === null) throw new Error('not an encrypted payload')
  const envelope = data as unknown as {
    readonly id: string
    readonly sealed: string
    readonly key: { readonly wrapped: string }
  }
  const key = privateDecrypt(
    {
      key: privateKey,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
      oaepLabel: Buffer.from(`perdure data key\0${namespace}\0${keyId}`),
    },
    Buffer.from(envelope.key.wrapped, 'base64'),
  )
  const bound = [namespace, owner, purpose, envelope.id, keyId].flatMap((part) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(part))
    return [length, Buffer.from(part)]
  })
  const sealed = Buffer.from(envelope.sealed, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(Buffer.concat(bound))
  decipher.setAuthTag(sealed.subarray(-16))
  const plain = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  return (JSON.parse(plain.toString()) as Payload)[3]
}
