/**
 * Made the golden envelopes, once. It never writes over them: the envelope is frozen, another one gets another codec name.
 *
 *   node test/encryption/make-golden.ts
 */
import { writeFileSync } from 'node:fs'
import type { PayloadPurpose } from '../../src/protocol/encrypted-payload.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { cipher, seal } from './cipher-fixture.ts'
import type { GoldenEnvelopes } from './documented-reader.ts'
import { rsaKeys } from './rsa-keys.ts'

const EXAMPLES: readonly [namespace: string, owner: string, purpose: PayloadPurpose, value: unknown][] = [
  ['default', 'order-17', 'input', { customer: 'Ada', items: [1, 2, 3], at: new Date(0) }],
  ['shop', 'größe/2', 'step-result', undefined],
  ['shop', 'order 世界', 'failure', 'text with "quotes" and \u0000'],
  ['default', 'nightly', 'schedule-input', 12n],
  ['default', '01M8ME1CCRBQQZYKJV8HSBH5YW', 'own-task-input', null],
]

const { privateKey } = rsaKeys('golden')
const codec = cipher({ keys: { privateKeys: [privateKey] } })
const cases: GoldenEnvelopes['cases'][number][] = []
for (const [namespace, owner, purpose, value] of EXAMPLES) {
  const plain = encodePayload(value)
  const payload = await seal(codec, plain, { namespace, owner, purpose })
  cases.push({ namespace, owner, purpose, payload, value: plain[3] })
}
const text = `${JSON.stringify({ privateKey, cases } satisfies GoldenEnvelopes, null, 2)}\n`
writeFileSync(new URL('golden/envelopes.json', import.meta.url), text, { flag: 'wx' })
