import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { canonicalAddress } from './ip-address.ts'
import { type ProxyHeader, proxyHeaderOf } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const port = fc.integer({ min: 0, max: 65_535 })
const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
/** What follows: a request, or the first bytes of TLS. */
const rest = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
const sixteenBytes = fc.uint8Array({ minLength: 16, maxLength: 16 })

function line(text: string): ProxyHeader {
  return proxyHeaderOf(Buffer.from(text, 'latin1'))
}

function binary(versionAndCommand: number, protocol: number, body: Uint8Array): Buffer {
  const fixed = Buffer.from([versionAndCommand, protocol, body.length >> 8, body.length & 0xff])
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), fixed, body])
}

function tcp4(from: readonly number[], fromPort: number, more: Uint8Array = Buffer.alloc(0)): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(fromPort)
  ports.writeUInt16BE(443, 2)
  return binary(0x21, 0x11, Buffer.concat([Buffer.from([...from, 10, 0, 0, 1]), ports, more]))
}

/** It is whole at its last byte, and not before, whatever follows. */
function assertWhole(
  header: Buffer,
  after: Buffer,
  source: { address: string; port: number } | undefined,
): void {
  for (let bytes = 0; bytes < header.length; bytes++)
    assert.deepEqual(proxyHeaderOf(header.subarray(0, bytes)), { kind: 'partial' }, `${bytes} bytes`)
  const whole = { kind: 'whole', bytes: header.length, source }
  assert.deepEqual(proxyHeaderOf(header), whole)
  assert.deepEqual(proxyHeaderOf(Buffer.concat([header, after])), whole)
}

describe('the header of the PROXY protocol', () => {
  test('version 1: the examples of its definition', () => {
    const source = { address: '255.255.255.255', port: 65_535 }
    const longest4 = 'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n'
    assert.deepEqual(line(`${longest4}GET /`), { kind: 'whole', bytes: 56, source })
    const all = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
    const longest6 = `PROXY TCP6 ${all} ${all} 65535 65535\r\n`
    assert.deepEqual(line(longest6), { kind: 'whole', bytes: 104, source: { address: all, port: 65_535 } })
    const unknown = `PROXY UNKNOWN ${all} ${all} 65535 65535\r\n`
    assert.equal(unknown.length, 107)
    assert.deepEqual(line(unknown), { kind: 'whole', bytes: 107, source: undefined })
    assert.deepEqual(line('PROXY UNKNOWN\r\n'), { kind: 'whole', bytes: 15, source: undefined })
  })

  test('version 1: any address and port, however it arrives', () => {
    const family = fc.oneof(
      fc.tuple(fc.constant('TCP4'), ipv4, ipv4),
      fc.tuple(fc.constant('TCP6'), ipv6, ipv6),
    )
    fc.assert(
      fc.property(family, port, port, rest, ([name, from, to], fromPort, toPort, after) => {
        const text = `PROXY ${name} ${from} ${to} ${fromPort} ${toPort}\r\n`
        // What fast-check writes of IPv6 may be longer than what proxies do.
        fc.pre(text.length <= 107)
        const source = { address: canonicalAddress(from) ?? '', port: fromPort }
        assertWhole(Buffer.from(text), after, source)
      }),
    )
  })

  test('version 2: any address and port, with anything that proxies add', () => {
    const four = fc.uint8Array({ minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(four, port, fc.uint8Array({ maxLength: 60 }), rest, (from, fromPort, more, after) => {
        const source = { address: from.join('.'), port: fromPort }
        assertWhole(tcp4([...from], fromPort, more), after, source)
      }),
    )
    fc.assert(
      fc.property(sixteenBytes, sixteenBytes, port, rest, (from, to, fromPort, after) => {
        const ports = Buffer.alloc(4)
        ports.writeUInt16BE(fromPort)
        const header = binary(0x21, 0x21, Buffer.concat([from, to, ports]))
        const groups = Array.from({ length: 8 }, (_, i) =>
          Buffer.from(from).toString('hex', 2 * i, 2 * i + 2),
        )
        const address = canonicalAddress(groups.join(':'))
        assertWhole(header, after, { address: address ?? '', port: fromPort })
      }),
    )
  })

  test('version 2: a proxy that speaks for itself, or does not know, names nobody', () => {
    for (const [command, protocol, body] of [
      [0x20, 0x00, ''],
      [0x20, 0x11, '0a0000010a00000200500050'],
      [0x20, 0xff, ''],
      [0x21, 0x00, '0102'],
      [0x21, 0x31, '00'.repeat(216)],
    ] as const)
      assertWhole(binary(command, protocol, Buffer.from(body, 'hex')), Buffer.alloc(0), undefined)
  })

  const wrong: Readonly<Record<string, string | Buffer>> = {
    'a request': 'GET /readyz HTTP/1.1\r\n',
    'the first bytes of TLS': Buffer.from('16030102', 'hex'),
    'another word': 'PROXIES',
    'another protocol': 'PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n',
    'no addresses': 'PROXY TCP4\r\n',
    'a word too many': 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n',
    'two spaces': 'PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n',
    'an address of the other family': 'PROXY TCP4 ::1 ::1 1 2\r\n',
    'half an address': 'PROXY TCP4 10.0.0 10.0.0.2 1 2\r\n',
    'an address with a zone': 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
    'a port that is too high': 'PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n',
    'a port with a zero before it': 'PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n',
    'a line that does not end': `PROXY UNKNOWN ${'x'.repeat(100)}`,
    'version 1 as version 2': binary(0x11, 0x11, Buffer.alloc(12)),
    'a command that there is not': binary(0x22, 0x11, Buffer.alloc(12)),
    UDP: binary(0x21, 0x12, Buffer.alloc(12)),
    'a family that there is not': binary(0x21, 0x41, Buffer.alloc(12)),
    'too short for its addresses': binary(0x21, 0x11, Buffer.alloc(11)),
    'too short for IPv6': binary(0x21, 0x21, Buffer.alloc(12)),
    'longer than any': Buffer.concat([binary(0x21, 0x11, Buffer.alloc(4096))]),
  }
  for (const [what, bytes] of Object.entries(wrong))
    test(`${what} is none`, () => {
      assert.equal(proxyHeaderOf(Buffer.from(bytes)).kind, 'wrong')
    })

  test('whatever arrives is looked at without an exception, and names an address or nobody', () => {
    const begun = fc.oneof(
      fc.constant('PROXY TCP4 '),
      fc.constant('PROXY TCP6 '),
      fc.constant('PROXY '),
      fc.constant(''),
    )
    const text = fc
      .tuple(begun, fc.string({ unit: 'binary', maxLength: 120 }))
      .map((parts) => Buffer.from(parts.join('')))
    const bytes = fc
      .tuple(fc.boolean(), fc.uint8Array({ maxLength: 300 }))
      .map(([isSigned, tail]) => Buffer.concat([Buffer.from(isSigned ? SIGNATURE : '', 'hex'), tail]))
    fc.assert(
      fc.property(fc.oneof(text, bytes), (received) => {
        const header = proxyHeaderOf(received)
        if (header.kind === 'partial') assert.ok(received.length < 4096)
        if (header.kind !== 'whole') return
        assert.ok(header.bytes <= received.length)
        if (header.source !== undefined) assert.notEqual(isIP(header.source.address), 0)
      }),
      { numRuns: 5000 },
    )
  })

  test('a header with one byte changed is another one, or none: never a longer wait than for the header itself', () => {
    const at = fc.nat()
    fc.assert(
      fc.property(ipv4, port, at, fc.integer({ min: 0, max: 255 }), (from, fromPort, index, byte) => {
        const whole = Buffer.from(`PROXY TCP4 ${from} 10.0.0.2 ${fromPort} 80\r\n${'x'.repeat(107)}`)
        whole[index % whole.length] = byte
        assert.notEqual(proxyHeaderOf(whole).kind, 'partial')
      }),
      { numRuns: 2000 },
    )
  })
})
