import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { canonicalAddress } from './ip-address.ts'
import { TrustedProxies } from './trusted-proxies.ts'

const trusting = (...ranges: readonly unknown[]): TrustedProxies =>
  new TrustedProxies(ranges as string[], 'trustedProxies')

describe('trusted proxies', () => {
  test('are addresses and ranges of both families', () => {
    const proxies = trusting('10.0.0.5', '10.1.0.0/16', 'fd00:1::/64', '2001:db8::7')
    for (const address of ['10.0.0.5', '10.1.255.255', 'fd00:1::abcd', '2001:db8::7'])
      assert.ok(proxies.has(address), address)
    for (const address of ['10.0.0.6', '10.2.0.0', 'fd00:1:0:1::', '2001:db8::8', '127.0.0.1'])
      assert.ok(!proxies.has(address), address)
    assert.ok(proxies.hasPeer('::ffff:10.0.0.5'))
    assert.ok(!proxies.hasPeer(undefined))
    assert.ok(!trusting().has('127.0.0.1'))
  })

  test('agree with the bits of the address', () => {
    const bits = fc.integer({ min: 1, max: 32 })
    const number = (address: string): number =>
      address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    fc.assert(
      fc.property(fc.ipV4(), bits, fc.ipV4(), (range, prefix, address) => {
        const part = 2 ** (32 - prefix)
        const isIn = Math.floor(number(range) / part) === Math.floor(number(address) / part)
        assert.equal(trusting(`${range}/${prefix}`).has(address), isIn)
      }),
    )
  })

  for (const range of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    'proxy.internal',
    '',
    7,
    'fe80::1%eth0',
    '10.0.0.1/-1',
  ])
    test(`${JSON.stringify(range)} is refused`, () => {
      assert.throws(() => trusting(range), { code: 'ARGUMENT_INVALID', message: /trustedProxies/ })
    })

  test('everybody is not a proxy', () => {
    for (const range of ['0.0.0.0/0', '::/0']) assert.throws(() => trusting(range), /let everybody say/)
    assert.throws(
      () => new TrustedProxies('10.0.0.1' as unknown as string[], 'trustedProxies'),
      /no list|not a list/,
    )
  })
})

describe('an address in its one form', () => {
  for (const [text, form] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['::ffff:0a00:0001', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['unknown', undefined],
    ['', undefined],
    ['1.2.3.4.5', undefined],
    ['01.2.3.4', undefined],
  ] as const)
    test(`${JSON.stringify(text)} is ${form}`, () => assert.equal(canonicalAddress(text), form))
})
