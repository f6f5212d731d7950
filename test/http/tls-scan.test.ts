// What a listener with TLS lets itself be talked into, as scanners see it: with a certificate of either kind of key.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { silentLogger } from '../../src/platform/logger.ts'
import { createEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { debianProgram } from '../debian-program.ts'
import { Authority, type Identity, openssl } from '../workers/certificates.ts'

const SCAN_MS = 120_000
/** Authenticated encryption with forward secrecy. */
const STRONG = /^(TLS_(AES|CHACHA20)_|ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM|CHACHA20-POLY1305))/
const HANDSHAKE = 22
const SERVER_HELLO = 2
const RECORD_HEADER = 5

const scanner = debianProgram('/usr/bin/sslscan', 'sslscan')
const found = openssl()
const missing = [scanner, found].find((each) => 'missing' in each)

/** One of its own authority. */
function rsaIdentity(directory: string): Identity {
  const [cert, key] = [join(directory, 'rsa.crt'), join(directory, 'rsa.key')]
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-keyout', key, '-out', cert]
  execFileSync('/usr/bin/openssl', [...made, '-subj', '/CN=rsa', '-addext', 'subjectAltName=IP:127.0.0.1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { cert, key, ca: cert }
}

type Fields = Readonly<Record<string, string>>

function elements(xml: string, name: string): readonly Fields[] {
  return [...xml.matchAll(new RegExp(`<${name} ([^>]*)>`, 'g'))].map(([, text = '']) =>
    Object.fromEntries([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, field, value]) => [field, value])),
  )
}

const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const sized = (part: Buffer): Buffer => Buffer.concat([uint16(part.length), part])

/** The first message of a client that knows TLS 1.2, strong ciphers, and would like to compress. */
function compressingHello(): Buffer {
  const ciphers = Buffer.concat([0xc02b, 0xc02f, 0xc02c, 0xc030].map(uint16))
  const extension = (type: number, body: Buffer): Buffer => Buffer.concat([uint16(type), sized(body)])
  const extensions = Buffer.concat([
    extension(0x000a, sized(Buffer.concat([0x001d, 0x0017].map(uint16)))),
    extension(0x000b, Buffer.from([1, 0])),
    extension(0x000d, sized(Buffer.concat([0x0403, 0x0804, 0x0401].map(uint16)))),
  ])
  const deflateOrNone = Buffer.from([2, 1, 0])
  const session = Buffer.from([0])
  const random = Buffer.alloc(32, 7)
  const body = Buffer.concat([
    ...[uint16(0x0303), random, session, sized(ciphers), deflateOrNone, sized(extensions)],
  ])
  const message = Buffer.concat([Buffer.from([1, 0]), sized(body)])
  return Buffer.concat([Buffer.from([HANDSHAKE, 3, 1]), sized(message)])
}

/** The method that the server has chosen; 0: none. */
async function compressionOf(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  try {
    socket.write(compressingHello())
    let got = Buffer.alloc(0)
    for await (const chunk of socket) {
      got = Buffer.concat([got, chunk as Buffer])
      if (got.length > RECORD_HEADER && got.length >= RECORD_HEADER + got.readUInt16BE(3)) break
    }
    assert.equal(got[0], HANDSHAKE, got.toString('hex'))
    assert.equal(got[RECORD_HEADER], SERVER_HELLO)
    // Type and length of the message, version, random.
    const session = RECORD_HEADER + 4 + 2 + 32
    const cipher = session + 1 + (got[session] ?? 0)
    const method = got[cipher + 2]
    assert.ok(method !== undefined)
    return method
  } finally {
    socket.destroy()
  }
}

describe('a listener with TLS', {
  skip: missing !== undefined && 'missing' in missing ? missing.missing : false,
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-tls-scan-'))
  const identities: Record<string, () => Identity> = {
    ECDSA: () => new Authority(directory, 'authority').issue('node-1', 'serverAuth,clientAuth'),
    RSA: () => rsaIdentity(directory),
  }
  after(() => rmSync(directory, { recursive: true }))

  for (const [kind, identity] of Object.entries(identities))
    describe(`with a certificate of ${kind}`, () => {
      let engine: EmbeddedEngine
      let port: number
      let scan: string

      before(async () => {
        engine = await createEngine({ store: 'memory', workflows: [], logger: silentLogger, access: {} })
        const { url } = await engine.listen({ tls: identity() })
        port = Number(new URL(url).port)
        const asked = ['--no-colour', '--xml=-', `127.0.0.1:${port}`]
        const path = 'path' in scanner ? scanner.path : ''
        scan = (await promisify(execFile)(path, asked, { timeout: SCAN_MS })).stdout
      })
      after(() => engine.close())

      test('speaks TLS 1.2 and 1.3, and nothing older', () => {
        const spoken = elements(scan, 'protocol').map(({ type, version, enabled }) => [
          type,
          version,
          enabled,
        ])
        assert.deepEqual(spoken, [
          ['ssl', '2', '0'],
          ['ssl', '3', '0'],
          ['tls', '1.0', '0'],
          ['tls', '1.1', '0'],
          ['tls', '1.2', '1'],
          ['tls', '1.3', '1'],
        ])
      })

      test('takes strong ciphers only', () => {
        const ciphers = elements(scan, 'cipher')
        assert.deepEqual(
          ciphers.map(({ cipher = '' }) => cipher).filter((cipher) => !STRONG.test(cipher)),
          [],
        )
        assert.deepEqual([...new Set(ciphers.map(({ sslversion }) => sslversion))], ['TLSv1.3', 'TLSv1.2'])
      })

      test('does not renegotiate without protection, and has no Heartbleed', () => {
        const [renegotiation] = elements(scan, 'renegotiation')
        assert.ok(renegotiation !== undefined)
        assert.ok(renegotiation.supported === '0' || renegotiation.secure === '1')
        const bleeding = elements(scan, 'heartbleed')
        assert.ok(bleeding.length > 0)
        assert.deepEqual(
          bleeding.filter(({ vulnerable }) => vulnerable !== '0'),
          [],
        )
      })

      test('does not compress', async () => {
        assert.equal(await compressionOf(port), 0)
      })
    })
})
