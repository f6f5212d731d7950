import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ClientOrigins } from './client-origin.ts'
import type { ForwardedHeader } from './forwarded-header.ts'
import type { ProxySettings } from './proxy-settings.ts'

const TRUSTED = { trustedProxies: ['10.0.0.0/24', 'fd00::/64'] } as const

/** The other end of a connection. */
function socketFrom(remoteAddress: string, remotePort = 40_000): Socket {
  const ends = { remoteAddress, remotePort, localAddress: '10.0.9.9', localPort: 7233 }
  return Object.assign(new EventEmitter(), ends) as unknown as Socket
}

function addressOf(
  peer: string,
  headers: Readonly<Record<string, string>>,
  settings: ProxySettings = TRUSTED,
): string {
  return new ClientOrigins(settings).originOf({ socket: socketFrom(peer), headers }).address
}

const forwardedFor = (value: string, header: ForwardedHeader = 'x-forwarded-for') =>
  addressOf('10.0.0.1', { [header]: value }, { ...TRUSTED, forwardedHeader: header })

describe('where a request comes from', () => {
  test('nobody but a trusted proxy is believed', () => {
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    assert.equal(addressOf('10.0.0.1', headers), '203.0.113.7')
    assert.equal(addressOf('::ffff:10.0.0.1', headers), '203.0.113.7')
    assert.equal(addressOf('10.0.1.1', headers), '10.0.1.1')
    assert.equal(addressOf('10.0.0.1', headers, {}), '10.0.0.1')
    assert.equal(addressOf('10.0.0.1', {}), '10.0.0.1')
  })

  test('only the header that the proxy writes counts', () => {
    const both = { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=198.51.100.9' }
    assert.equal(addressOf('10.0.0.1', both), '203.0.113.7')
    assert.equal(addressOf('10.0.0.1', both, { ...TRUSTED, forwardedHeader: 'forwarded' }), '198.51.100.9')
    assert.equal(addressOf('10.0.0.1', { forwarded: 'for=198.51.100.9' }), '10.0.0.1')
  })

  for (const [value, client] of [
    ['203.0.113.7', '203.0.113.7'],
    ['1.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['1.1.1.1, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['203.0.113.7, 10.0.0.3,10.0.0.2', '203.0.113.7'],
    ['10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['203.0.113.7:40123', '203.0.113.7'],
    ['[2001:db8::1]:40123', '2001:db8::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, unknown, 10.0.0.2', '10.0.0.2'],
    ['203.0.113.7,', '10.0.0.1'],
    ['evil', '10.0.0.1'],
    ['', '10.0.0.1'],
  ] as const)
    test(`X-Forwarded-For: ${value}`, () => assert.equal(forwardedFor(value), client))

  for (const [value, client] of [
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="203.0.113.7:40123";proto=https', '203.0.113.7'],
    ['for="[2001:db8::1]:40123"', '2001:db8::1'],
    ['for=1.1.1.1, proto=https ; for=203.0.113.7;by=10.0.0.1', '203.0.113.7'],
    ['for=203.0.113.7, for=10.0.0.2', '203.0.113.7'],
    ['for=203.0.113.7, for=_hidden, for=10.0.0.2', '10.0.0.2'],
    ['for=unknown', '10.0.0.1'],
    ['for="1.1.1.1, for=203.0.113.7', '203.0.113.7'],
    ['for=203.0.113.7;host="a,b"', '203.0.113.7'],
    ['host="a;for=1.1.1.1;b=\\"";for=203.0.113.7', '203.0.113.7'],
    ['for=203.0.113.7;for=1.1.1.1', '203.0.113.7'],
    ['for=;proto=https', '10.0.0.1'],
    ['=', '10.0.0.1'],
  ] as const)
    test(`Forwarded: ${value}`, () => assert.equal(forwardedFor(value, 'forwarded'), client))

  test('whatever a client writes before what the proxy adds changes nothing', () => {
    const text = fc.string({ unit: 'binary-ascii', maxLength: 60 })
    const pieces = fc.array(fc.constantFrom('"', '\\', ',', ';', 'for=1.1.1.1', '10.0.0.2', '[', ' '), {
      maxLength: 12,
    })
    const forged = fc.oneof(
      text,
      pieces.map((parts) => parts.join('')),
    )
    const host = fc
      .oneof(
        text,
        pieces.map((parts) => parts.join('')),
      )
      .map((name) => name.replaceAll(/["\\]/g, '\\$&'))
    fc.assert(
      fc.property(forged, host, (before, name) => {
        assert.equal(forwardedFor(`${before}, 203.0.113.7`), '203.0.113.7')
        assert.equal(forwardedFor(`${before}, host="${name}";for=203.0.113.7`, 'forwarded'), '203.0.113.7')
        assert.equal(forwardedFor(`${before}, for=203.0.113.7;host="${name}"`, 'forwarded'), '203.0.113.7')
      }),
      { numRuns: 3000 },
    )
  })

  test('a header of the PROXY protocol stands for the other end, until the connection ends', () => {
    const origins = new ClientOrigins({ ...TRUSTED, proxyProtocol: true })
    const socket = socketFrom('10.0.0.1')
    const other = socketFrom('10.0.0.1', 40_001)
    const of = (from: Socket, headers = {}) => origins.originOf({ socket: from, headers })
    assert.deepEqual(of(socket), {
      address: '10.0.0.1',
      label: '10.0.0.1:40000',
      isForwarded: false,
      isThroughTrusted: true,
      isAnnounced: false,
      hasOwnCertificate: false,
    })
    origins.announce(socket, { address: '203.0.113.7', port: 555 })
    assert.equal(of(socket).label, '203.0.113.7:555')
    assert.equal(of(socket).isForwarded, true)
    // It is not a proxy: what it says of others does not count.
    assert.equal(of(socket, { 'x-forwarded-for': '1.1.1.1' }).address, '203.0.113.7')
    assert.equal(of(other).address, '10.0.0.1')
    // The same ends again, before the end of the first connection was told.
    const again = socketFrom('10.0.0.1')
    origins.announce(again, { address: '198.51.100.9', port: 556 })
    socket.emit('close')
    assert.equal(of(again).address, '198.51.100.9')
    again.emit('close')
    assert.equal(origins.announced, 0)
    assert.equal(of(again).address, '10.0.0.1')
  })

  test('who is announced as a proxy may forward for others', () => {
    const origins = new ClientOrigins({ ...TRUSTED, proxyProtocol: true })
    const socket = socketFrom('10.0.0.1')
    origins.announce(socket, { address: '10.0.0.2', port: 555 })
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    assert.equal(origins.originOf({ socket, headers }).label, '203.0.113.7')
    origins.announce(socket, undefined)
    assert.equal(origins.originOf({ socket, headers: {} }).address, '10.0.0.1')
  })

  test('settings that make no sense are refused', () => {
    const wrong: readonly object[] = [
      { proxyProtocol: true },
      { proxyProtocol: 'v2', ...TRUSTED },
      { forwardedHeader: 'x-real-ip', ...TRUSTED },
      { trustedProxies: 'all' },
    ]
    for (const settings of wrong)
      assert.throws(() => new ClientOrigins(settings as ProxySettings), { code: 'ARGUMENT_INVALID' })
  })
})
