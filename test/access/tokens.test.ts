// Tokens of an issuer that is really there, and what attackers make of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { exportSPKI, type JWTPayload } from 'jose'
import { silentLogger } from '../../src/platform/logger.ts'
import { checkedTokenIssuer, type TokenIssuerSettings } from '../../src/server/access/token-issuer.ts'
import { TokenRefusedError, TokenVerifier } from '../../src/server/access/token-verifier.ts'
import { IssuerServer } from './issuer-server.ts'

const NOW_MS = 1_780_000_000_000

/** A verifier with a clock that the test turns. */
function verifierOf(...issuers: TokenIssuerSettings[]): {
  readonly tokens: TokenVerifier
  readonly time: { nowMs: number }
} {
  const time = { nowMs: NOW_MS }
  const tokens = new TokenVerifier({
    issuers: issuers.map(checkedTokenIssuer),
    logger: silentLogger,
    nowMs: () => time.nowMs,
  })
  return { tokens, time }
}

async function refusal(verified: Promise<unknown>): Promise<string> {
  const error: unknown = await verified.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Error, 'it was let in')
  return `${error.name}: ${error.message}`
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token that is good', () => {
  test('says who it is, by the claims that are named', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(
      issuer.settings({
        claims: {
          subject: 'email',
          groups: 'realm.groups',
          roles: 'https://perdure.test/roles',
          namespace: 'tenant',
        },
      }),
    )
    const claims: JWTPayload = {
      email: 'ann@example.test',
      name: 'Ann',
      realm: { groups: ['staff', 7, ''] },
      'https://perdure.test/roles': 'viewer',
      tenant: 'billing',
    }
    const { caller, expiresMs } = await tokens.verify(await issuer.sign(NOW_MS, { claims }))
    assert.deepEqual(caller, {
      id: `token:${issuer.url}#ann@example.test`,
      kind: 'token',
      name: 'Ann',
      user: 'ann@example.test',
      groups: ['staff'],
      roles: ['viewer'],
      namespace: 'billing',
    })
    assert.equal(expiresMs, NOW_MS + 300_000 + 30_000)
  })

  test('of each algorithm that is taken', async () => {
    await using issuer = await IssuerServer.start()
    for (const algorithm of ['RS256', 'PS256', 'ES256', 'EdDSA']) await issuer.addKey(algorithm, algorithm)
    const { tokens } = verifierOf(issuer.settings())
    for (const kid of ['RS256', 'PS256', 'ES256', 'EdDSA'])
      assert.equal((await tokens.verify(await issuer.sign(NOW_MS, { kid }))).caller.user, 'ann', kid)
    assert.equal(issuer.asked, 1)
  })

  test('is verified once, and not known any more after a minute, or when it has expired', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens, time } = verifierOf(issuer.settings({ leeway: 0 }))
    const token = await issuer.sign(NOW_MS)
    const short = await issuer.sign(NOW_MS, { claims: { exp: NOW_MS / 1000 + 20 } })
    await tokens.verify(token)
    await tokens.verify(short)
    time.nowMs += 19_999
    assert.notEqual(tokens.known(short), undefined)
    time.nowMs += 1
    assert.equal(tokens.known(short), undefined)
    assert.match(await refusal(tokens.verify(short)), /"exp"/)
    time.nowMs = NOW_MS + 59_999
    assert.notEqual(tokens.known(token), undefined)
    time.nowMs += 1
    assert.equal(tokens.known(token), undefined)
  })
})

describe('a token that is refused', () => {
  const cases: [what: string, claims: JWTPayload, why: RegExp][] = [
    ['of another audience', { aud: 'another' }, /"aud"/],
    ['of no audience', { aud: undefined as never }, /"aud"/],
    ['that has expired', { exp: NOW_MS / 1000 - 31 }, /"exp"/],
    ['that never expires', { exp: undefined as never }, /"exp"/],
    ['that expires at a text', { exp: '9999999999' as never }, /"exp"/],
    ['that is not valid yet', { nbf: NOW_MS / 1000 + 31 }, /"nbf"/],
    ['of an issuer that nobody trusts', { iss: 'https://evil.test' }, /no issuer that is trusted/],
    ['without an issuer', { iss: undefined as never }, /no issuer that is trusted/],
    ['without a subject', { sub: undefined as never }, /no claim sub/],
    ['of a subject that is no name', { sub: 'a\0b' }, /no claim sub/],
    ['with too many groups', { groups: Array.from({ length: 1001 }, () => 'g') }, /more than 1000 names/],
  ]
  for (const [what, claims, why] of cases) {
    test(what, async () => {
      await using issuer = await IssuerServer.start()
      const { tokens } = verifierOf(issuer.settings())
      const error = await refusal(tokens.verify(await issuer.sign(NOW_MS, { claims })))
      assert.match(error, why)
      assert.match(error, /TokenRefusedError/)
    })
  }

  test('within the leeway times are forgiven', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    await tokens.verify(await issuer.sign(NOW_MS, { claims: { exp: NOW_MS / 1000 - 29 } }))
    await tokens.verify(await issuer.sign(NOW_MS, { claims: { nbf: NOW_MS / 1000 + 29 } }))
  })

  test('that nobody has signed (alg none), however that is written', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const [, payload, signature] = (await issuer.sign(NOW_MS)).split('.')
    for (const alg of ['none', 'None', 'NONE', 'nOnE', ''])
      for (const end of ['', signature])
        assert.match(
          await refusal(tokens.verify(`${base64({ alg, kid: 'first' })}.${payload}.${end}`)),
          /TokenRefusedError/,
          `${alg} ${end}`,
        )
  })

  test('signed with the public key as a shared secret (HS/RS confusion)', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const pem = await exportSPKI(await issuer.publicPem('first'))
    for (const text of [pem, pem.trim(), pem.replace(/-----.*-----|\n/g, '')])
      for (const algorithm of ['HS256', 'HS384', 'HS512']) {
        const token = await issuer.sign(NOW_MS, { algorithm, key: new TextEncoder().encode(text) })
        assert.match(await refusal(tokens.verify(token)), /"alg"/)
      }
  })

  test('of an algorithm that is not pinned, though its key is published', async () => {
    await using issuer = await IssuerServer.start()
    await issuer.addKey('other', 'RS512')
    const { tokens } = verifierOf(issuer.settings())
    assert.match(await refusal(tokens.verify(await issuer.sign(NOW_MS, { kid: 'other' }))), /"alg"/)
    const { tokens: wider } = verifierOf(issuer.settings({ algorithms: ['RS512'] }))
    await wider.verify(await issuer.sign(NOW_MS, { kid: 'other' }))
    assert.match(await refusal(wider.verify(await issuer.sign(NOW_MS))), /"alg"/)
  })

  test('that brings its own key, or says where to fetch it (jwk, jku, x5u, x5c)', async () => {
    await using issuer = await IssuerServer.start()
    await using evil = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const forged = { iss: issuer.url }
    for (const header of [
      { jku: `${evil.url}/keys` },
      { x5u: `${evil.url}/keys` },
      { jwk: { kty: 'RSA' } },
      { x5c: ['MIIB'] },
    ])
      assert.match(
        await refusal(tokens.verify(await evil.sign(NOW_MS, { claims: forged, header }))),
        /TokenRefusedError/,
      )
    assert.equal(evil.asked, 0)
  })

  test('with a key id that is a path, a query or a URL: it is a name and nothing else', async () => {
    await using issuer = await IssuerServer.start()
    await using evil = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const before = issuer.asked
    for (const kid of [
      '../../dev/null',
      "x' UNION SELECT 'secret",
      `${evil.url}/keys`,
      '__proto__',
      'constructor',
      '',
    ]) {
      const key = new TextEncoder().encode('')
      const forged = `${base64({ alg: 'RS256', kid })}.${base64({ iss: issuer.url, aud: 'perdure', sub: 'a', exp: 9e9 })}.${Buffer.from(key).toString('base64url')}AA`
      assert.match(await refusal(tokens.verify(forged)), /TokenRefusedError/, kid)
    }
    assert.equal(evil.asked, 0)
    assert.ok(issuer.asked - before <= 2, 'and the keys were fetched again no more than once')
  })

  test('with a critical header that is not understood', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const [, payload, signature] = (await issuer.sign(NOW_MS)).split('.')
    const header = base64({ alg: 'RS256', kid: 'first', crit: ['x'], x: 1 })
    assert.match(await refusal(tokens.verify(`${header}.${payload}.${signature}`)), /TokenRefusedError/)
  })

  test('that was changed at any place', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const token = await issuer.sign(NOW_MS)
    await tokens.verify(token)
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.integer({ min: 33, max: 126 }), async (at, code) => {
        const changed = token.slice(0, at) + String.fromCharCode(code) + token.slice(at + 1)
        // The last character of base64url has bits that say nothing.
        if (changed === token || (at === token.length - 1 && sameBytes(changed, token))) return
        await assert.rejects(tokens.verify(changed), TokenRefusedError)
      }),
      { numRuns: 500 },
    )
  })

  test('that is anything at all', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const part = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
        await assert.rejects(tokens.verify(parts.join('.')), TokenRefusedError)
      }),
      { numRuns: 2000 },
    )
    assert.equal(issuer.asked, 0)
  })

  test('that is larger than 8 KiB, before it is looked at', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    const token = await issuer.sign(NOW_MS, { claims: { more: 'x'.repeat(8 * 1024) } })
    assert.match(await refusal(tokens.verify(token)), /larger than 8192 bytes/)
    assert.equal(issuer.asked, 0)
  })

  test('signed by another issuer that is trusted too', async () => {
    await using first = await IssuerServer.start()
    await using second = await IssuerServer.start()
    const { tokens } = verifierOf(first.settings(), second.settings())
    await tokens.verify(await second.sign(NOW_MS))
    assert.match(
      await refusal(tokens.verify(await second.sign(NOW_MS, { claims: { iss: first.url } }))),
      /signature/,
    )
  })
})

describe('the keys of an issuer', () => {
  test('another key is found when a token names it, once in 30 seconds at most', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens, time } = verifierOf(issuer.settings())
    await tokens.verify(await issuer.sign(NOW_MS))
    await issuer.addKey('second')
    const token = await issuer.sign(NOW_MS, { kid: 'second' })
    await refusal(tokens.verify(token))
    time.nowMs += 30_000
    await tokens.verify(token)
    assert.equal(issuer.asked, 2)
    // Whoever asks with keys of their own fancy makes no more of them.
    for (let i = 0; i < 20; i++)
      await refusal(tokens.verify(`${base64({ alg: 'RS256', kid: `k${i}` })}.${token.split('.')[1]}.AA`))
    assert.equal(issuer.asked, 2)
  })

  test('a key that is taken out is not used any more, ten minutes later at most', async () => {
    await using issuer = await IssuerServer.start()
    await issuer.addKey('second')
    const { tokens, time } = verifierOf(issuer.settings())
    const sign = (): Promise<string> => issuer.sign(time.nowMs, { kid: 'second' })
    await tokens.verify(await sign())
    // One that was good is known for a while: each is looked at once.
    const signed = Array.from({ length: 200 }, (_, i) =>
      issuer.sign(NOW_MS + 600_000, { kid: 'second', claims: { jti: `${i}` } }),
    )
    const left = await Promise.all(signed)
    issuer.removeKey('second')
    time.nowMs += 600_000
    // It answers with what it has, and asks.
    await tokens.verify(await issuer.sign(time.nowMs))
    await eventually(() => issuer.asked === 2)
    await eventually(async () => (await refusal(tokens.verify(left.pop() ?? '')).catch(() => '')) !== '')
  })

  test('while the issuer is down the keys from before go on, for a day', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens, time } = verifierOf(issuer.settings())
    await tokens.verify(await issuer.sign(NOW_MS))
    issuer.status = 503
    for (const hours of [1, 12, 23]) {
      time.nowMs = NOW_MS + hours * 3_600_000
      await tokens.verify(await issuer.sign(time.nowMs))
    }
    time.nowMs = NOW_MS + 25 * 3_600_000
    assert.match(await refusal(tokens.verify(await issuer.sign(time.nowMs))), /KeysUnavailableError/)
    issuer.status = 200
    time.nowMs += 30_000
    await tokens.verify(await issuer.sign(time.nowMs))
  })

  test('an issuer that was never there refuses nobody for good', async () => {
    await using issuer = await IssuerServer.start()
    issuer.status = 500
    const { tokens, time } = verifierOf(issuer.settings())
    const token = await issuer.sign(NOW_MS)
    assert.match(await refusal(tokens.verify(token)), /KeysUnavailableError/)
    issuer.status = 200
    assert.match(await refusal(tokens.verify(token)), /KeysUnavailableError/)
    time.nowMs += 30_000
    await tokens.verify(token)
  })

  test('an issuer that calls itself something else, and symmetric keys, are not taken', async () => {
    await using issuer = await IssuerServer.start()
    const { tokens } = verifierOf(issuer.settings())
    issuer.pages.set('/.well-known/openid-configuration', {
      issuer: 'https://other.test',
      jwks_uri: `${issuer.url}/keys`,
    })
    assert.match(await refusal(tokens.verify(await issuer.sign(NOW_MS))), /KeysUnavailableError/)
    const secret = { kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'first' }
    issuer.pages.set('/secret', { keys: [secret] })
    const { tokens: direct } = verifierOf(issuer.settings({ jwksUri: `${issuer.url}/secret` }))
    assert.match(await refusal(direct.verify(await issuer.sign(NOW_MS))), /no applicable key/)
  })

  test('at private addresses they are fetched only if that is allowed', async () => {
    await using issuer = await IssuerServer.start()
    assert.throws(
      () => verifierOf({ issuer: issuer.url, audience: 'perdure' }),
      /http: only with allowPrivate/,
    )
    const secure = issuer.url.replace('http:', 'https:')
    const { tokens } = verifierOf({ issuer: secure, audience: 'perdure' })
    const token = await issuer.sign(NOW_MS, { claims: { iss: secure } })
    assert.match(await refusal(tokens.verify(token)), /KeysUnavailableError/)
    assert.equal(issuer.asked, 0)
  })
})

test('settings that would let anybody in are refused', () => {
  const good = { issuer: 'https://login.test', audience: 'perdure' }
  const bad: [unknown, RegExp][] = [
    [{ ...good, algorithms: ['none'] }, /no algorithm "none"/],
    [{ ...good, algorithms: ['HS256'] }, /no algorithm "HS256"/],
    [{ ...good, algorithms: [] }, /not a list/],
    [{ ...good, audience: [] }, /name whom its tokens are for/],
    [{ ...good, audience: '' }, /name whom its tokens are for/],
    [{ issuer: 'login.test', audience: 'x' }, /not a URL/],
    [{ ...good, jwksUri: 'file:///etc/passwd' }, /not a URL/],
    [{ ...good, leeway: '1h' }, /more than 5 minutes/],
    [{ ...good, clams: {} }, /setting 'clams'/],
    [{ ...good, claims: { group: 'x' } }, /setting 'group'/],
  ]
  for (const [settings, why] of bad)
    assert.throws(() => checkedTokenIssuer(settings as TokenIssuerSettings), why)
})

function sameBytes(a: string, b: string): boolean {
  const bytesOf = (token: string): string =>
    Buffer.from(token.split('.')[2] ?? '', 'base64url').toString('hex')
  return bytesOf(a) === bytesOf(b)
}

async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.fail('it has not come about')
}
