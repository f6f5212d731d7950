/** Encrypted payloads: what was sealed comes back where it belongs, and nowhere else; whatever is changed is found. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  ENCRYPTED_CODEC,
  encryptedDataOf,
  type PayloadPlace,
  type PayloadPurpose,
} from '../../src/protocol/encrypted-payload.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import { decodePayload, encodePayload, type Payload, payloadBytes } from '../../src/protocol/payload.ts'
import { inputPlace } from '../../src/sdk/encryption/execution-places.ts'
import { cipher, inMemory, open, seal } from './cipher-fixture.ts'
import { type GoldenEnvelopes, openedByTheDocs } from './documented-reader.ts'
import { rsaKeys } from './rsa-keys.ts'

const place = (of: Partial<PayloadPlace> = {}): PayloadPlace => ({
  namespace: 'shop',
  owner: 'order-1',
  purpose: 'step-result',
  ...of,
})
const unreadable = (message: RegExp) => ({ code: 'PAYLOAD_UNREADABLE', message })

for (const [where, store] of [
  ['carried by payloads', () => undefined],
  ['in a store', inMemory],
] as const) {
  describe(`with data keys ${where}`, () => {
    it('gives back what was sealed', async () => {
      const codec = cipher({ store: store() })
      await fc.assert(
        fc.asyncProperty(
          fc.jsonValue(),
          fc.string({ minLength: 1 }),
          fc.string({ minLength: 1 }),
          async (value, namespace, owner) => {
            const at = place({ namespace, owner })
            const sealed = await seal(codec, encodePayload(value), at)
            assert.equal(sealed[1], ENCRYPTED_CODEC)
            // It goes over the wire and through a database.
            const stored = JSON.parse(JSON.stringify(sealed)) as Payload
            const opened = await open(codec, stored, at)
            assert.deepEqual(decodePayload(opened), decodePayload(encodePayload(value)))
          },
        ),
        { numRuns: 200 },
      )
    })

    it('opens it nowhere else', async () => {
      const codec = cipher({ store: store() })
      const sealed = await seal(codec, encodePayload('secret'), place())
      const elsewhere: readonly Partial<PayloadPlace>[] = [
        { namespace: 'other' },
        { owner: 'order-2' },
        { purpose: 'result' },
        { purpose: 'task-result' },
      ]
      for (const of of elsewhere)
        await assert.rejects(open(codec, sealed, place(of)), { code: 'PAYLOAD_UNREADABLE' })
    })

    it('finds every change of a bit, of every part', async () => {
      const codec = cipher({ store: store() })
      const [format, name, keyId, data] = await seal(codec, encodePayload({ amount: 10 }), place())
      const parts = data as { readonly [name: string]: string }
      const bytes = Buffer.from(parts.sealed ?? '', 'base64')
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const payload = [format, name, keyId, { ...parts, sealed: changed.toString('base64') }] as Payload
        await assert.rejects(
          open(codec, payload, place()),
          unreadable(/it was changed, or is from another place/),
        )
      }
      for (const part of ['id', 'purpose'] as const) {
        const payload = [format, name, keyId, { ...parts, [part]: `${parts[part]}x` }] as Payload
        await assert.rejects(open(codec, payload, place()), { code: 'PAYLOAD_UNREADABLE' })
      }
    })

    it('takes no shorter tag, no cut ciphertext, nothing empty', async () => {
      const codec = cipher({ store: store() })
      const [format, name, keyId, data] = await seal(codec, encodePayload('secret'), place())
      const bytes = Buffer.from((data as { readonly sealed: string }).sealed, 'base64')
      for (let length = 0; length < bytes.length; length++) {
        const sealed = bytes.subarray(0, length).toString('base64')
        const payload = [format, name, keyId, { ...(data as object), sealed }] as Payload
        await assert.rejects(open(codec, payload, place()), { code: 'PAYLOAD_UNREADABLE' })
      }
    })

    it('never uses an IV or an id twice', async () => {
      const codec = cipher({ store: store() })
      const ivs = new Set<string>()
      const ids = new Set<string>()
      const count = 20_000
      await codec.code('shop', (coder) => {
        for (let i = 0; i < count; i++) {
          const sealed = coder.seal(encodePayload(1), place())
          if (sealed[1] !== ENCRYPTED_CODEC) return
          const { id, sealed: text } = encryptedDataOf(sealed)
          ids.add(id)
          ivs.add(text.slice(0, 16))
        }
      })
      assert.deepEqual([ivs.size, ids.size], [count, count])
    })
  })
}

describe('the envelope', () => {
  const file = new URL('golden/envelopes.json', import.meta.url)
  const golden = JSON.parse(readFileSync(file, 'utf8')) as GoldenEnvelopes

  it('is frozen', () => {
    const hash = createHash('sha256').update(readFileSync(file)).digest('hex')
    assert.equal(hash, '132adb97b00c444beda1cb1583a148c8056f0afc250c84299e1ad1913712b510')
  })

  it('is read as it was written by the first version', async () => {
    const codec = cipher({ keys: { privateKeys: [golden.privateKey] } })
    assert.ok(golden.cases.length >= 4)
    for (const { namespace, owner, purpose, payload, value } of golden.cases) {
      const opened = await open(codec, payload, { namespace, owner, purpose: purpose as PayloadPurpose })
      assert.deepEqual(opened[3], value)
    }
  })

  it('is what the docs say, byte for byte', () => {
    for (const each of golden.cases) assert.deepEqual(openedByTheDocs(each, golden.privateKey), each.value)
  })

  it('and so is what is written today', async () => {
    const { privateKey } = rsaKeys()
    const at = place({ owner: 'größe/2' })
    const payload = await seal(cipher(), encodePayload({ a: [1, 'ä'] }), at)
    assert.deepEqual(openedByTheDocs({ ...at, payload }, privateKey), { a: [1, 'ä'] })
  })
})

describe('an encrypted payload', () => {
  it('of an unknown key is unreadable, and says which key it is', async () => {
    const sealed = await seal(cipher(), encodePayload('secret'), place())
    const other = cipher({ keys: { privateKeys: [rsaKeys('second').privateKey] } })
    await assert.rejects(
      open(other, sealed, place()),
      unreadable(/wrapped with key rsa-\S+, whose private key is not here/),
    )
    const writer = cipher({ keys: { publicKey: rsaKeys().publicKey } })
    await assert.rejects(open(writer, sealed, place()), unreadable(/\(here: none\)/))
  })

  it('of a store that is not here is unreadable', async () => {
    const sealed = await seal(cipher({ store: inMemory() }), encodePayload('secret'), place())
    await assert.rejects(open(cipher(), sealed, place()), unreadable(/encryption\.dataKeys/))
    await assert.rejects(
      open(cipher({ store: inMemory() }), sealed, place()),
      unreadable(/is not in the store/),
    )
  })

  it('is read with several private keys, and written with the public key alone', async () => {
    const writer = cipher({ keys: { publicKey: rsaKeys('second').publicKey } })
    const sealed = await seal(writer, encodePayload('secret'), place())
    const reader = cipher({ keys: { privateKeys: [rsaKeys().privateKey, rsaKeys('second').privateKey] } })
    assert.equal((await open(reader, sealed, place()))[3], 'secret')
  })

  it('spoils no key of others: a wrapped key under the id of another one is another key', async () => {
    const codec = cipher()
    const good = await seal(codec, encodePayload('good'), place())
    const forged = await seal(cipher(), encodePayload('forged'), place())
    const [format, name, , data] = forged
    const underGoodId = [format, name, good[2], data] as Payload
    const reader = cipher()
    await assert.rejects(open(reader, underGoodId, place()), { code: 'PAYLOAD_UNREADABLE' })
    assert.equal((await open(reader, good, place()))[3], 'good')
  })

  it('of a schedule is an input of executions with its prefix only', async () => {
    const codec = cipher()
    const at = place({ owner: 'nightly', purpose: 'schedule-input' })
    const sealed = await seal(codec, encodePayload('secret'), at)
    const of = (workflowId: string): PayloadPlace => inputPlace({ namespace: 'shop', workflowId })
    assert.equal((await open(codec, sealed, of('nightly-2026-01-01T00:00:00.000Z')))[3], 'secret')
    await assert.rejects(open(codec, sealed, of('weekly-2026')), unreadable(/schedule-input of nightly/))
    await assert.rejects(open(codec, sealed, of('nightly')), { code: 'PAYLOAD_UNREADABLE' })
    const [format, name, keyId, data] = sealed
    const renamed = [format, name, keyId, { ...(data as object), owner: 'weekly' }] as Payload
    await assert.rejects(open(codec, renamed, of('weekly-2026')), { code: 'PAYLOAD_UNREADABLE' })
  })

  it('is the only one that is taken, unless plaintext is accepted', async () => {
    const plain = encodePayload('plain')
    await assert.rejects(open(cipher(), plain, place()), unreadable(/is not encrypted/))
    assert.equal(await open(cipher({ takesPlaintext: true }), plain, place()), plain)
  })

  it('that is no envelope is unreadable', async () => {
    const broken: readonly Payload[] = [
      [1, ENCRYPTED_CODEC, 'k', null],
      [1, ENCRYPTED_CODEC, 'k', { id: 'a' }],
      [1, ENCRYPTED_CODEC, null, { id: 'a', purpose: 'result', sealed: '' }],
      [1, ENCRYPTED_CODEC, 'k', { id: 'a', purpose: 'step-result', sealed: '', key: 'x' }],
      [
        1,
        ENCRYPTED_CODEC,
        'k',
        { id: 'a', purpose: 'step-result', sealed: '', key: { by: 'rsa-x', wrapped: 'eA==' } },
      ],
    ]
    for (const payload of broken)
      await assert.rejects(async () => open(cipher(), payload, place()), { code: 'PAYLOAD_UNREADABLE' })
  })

  it('is within the limits when what is in it is within its room', async () => {
    const codec = cipher()
    const limits = { ...DEFAULT_LIMITS, payloadBytes: 100_000 }
    const room = codec.roomIn(limits).payloadBytes
    for (const text of ['a'.repeat(room - 20), '"'.repeat((room - 20) / 2), 'ä'.repeat((room - 20) / 2)]) {
      const payload = encodePayload(text)
      assert.ok(payloadBytes(payload) <= room)
      const sealed = await seal(codec, payload, place({ owner: 'x'.repeat(512) }))
      assert.ok(payloadBytes(sealed) <= limits.payloadBytes, `${payloadBytes(sealed)} bytes`)
    }
    assert.throws(() => codec.roomIn({ ...DEFAULT_LIMITS, payloadBytes: 2000 }), { code: 'ARGUMENT_INVALID' })
  })
})
