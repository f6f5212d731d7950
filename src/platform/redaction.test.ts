import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { jsonLogger, type Logger, safeLogger, withFields } from './logger.ts'
import { redactedFields, redactedText } from './redaction.ts'

/** In no line, whatever way it goes. */
const SECRET = 'hunter2-Zx81'
const PEM = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const API_KEY = `pdk_0123456789ab_${'aB3'.repeat(16)}x`
const JWT = [{ alg: 'HS256' }, { sub: 'ann', jti: SECRET }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .concat('c2lnbmF0dXJl')
  .join('.')
const BASIC = `Basic ${Buffer.from(`ann:${SECRET}`).toString('base64')}`

/** Each with what must not be left of it. */
const TEXTS: readonly (readonly [text: string, secret: string])[] = [
  [`postgres://ann:${SECRET}@db1:5432/orders`, SECRET],
  [`postgres://ann:${SECRET}/with@slash@db1/orders`, SECRET],
  [`etcd://root:${SECRET}@h1:2379,h2:2379`, SECRET],
  [`https://${SECRET}@git.example/x`, SECRET],
  [`ws://h1:7233,ws://ann:${SECRET}@h2:7233`, SECRET],
  [`https://ann@h1/,https://${SECRET}@h2/`, SECRET],
  [`https://ann:80${SECRET}@git.example/x`, SECRET],
  [`GET /v1/x?access_token=${SECRET}&limit=1`, SECRET],
  [`https://maps.example/?key=${SECRET}`, SECRET],
  [`host=db1 user=ann password=${SECRET} dbname=orders`, SECRET],
  [`host=db1 password='${SECRET} and more' dbname=orders`, SECRET],
  [`ALTER ROLE ann PASSWORD '${SECRET}'`, SECRET],
  [`PGPASSWORD=${SECRET} psql`, SECRET],
  [`{"user":"ann","password":"${SECRET}"}`, SECRET],
  [JSON.stringify(JSON.stringify({ password: SECRET, user: 'ann' })), SECRET],
  [`{ clientSecret: '${SECRET}' }`, SECRET],
  [`api_key: ${SECRET}`, SECRET],
  [`authorization: Bearer ${SECRET}`, SECRET],
  [`Authorization: Custom a=${SECRET}, b=2`, SECRET],
  [`sent Bearer ${SECRET} to it`, SECRET],
  ['sent BEARER abcdefgh-ijkl', 'abcdefgh-ijkl'],
  [`proxy-authorization: ${BASIC}`, BASIC.slice(6)],
  [`curl -H "${BASIC}"`, BASIC.slice(6)],
  [`Cookie: session=${SECRET}; theme=dark`, SECRET],
  [`set-cookie: session=${SECRET}; HttpOnly`, SECRET],
  [`the key ${API_KEY} is not known`, API_KEY.slice(20)],
  [`line\\n${API_KEY}`, API_KEY.slice(20)],
  [`token ${JWT} has expired`, JWT.slice(-12)],
  [`line\\n${JWT}`, JWT.slice(-12)],
  [PEM, PEM.split('\n')[1] ?? ''],
  [JSON.stringify({ pem: PEM }), PEM.split('\n')[1] ?? ''],
  [PEM.slice(0, 60), PEM.slice(30, 60)],
]

const HARMLESS: readonly string[] = [
  'postgres://ann@db1:5432/orders',
  'http://127.0.0.1:7233/people/a@b',
  'ws://node-1:7233, ws://node-2:7233',
  'wss://node-1.internal:7233/',
  'password authentication failed for user "ann"',
  'no API key, token or certificate was given',
  'the header authorization is not of the form Bearer <key or token>',
  `Unexpected token 'x', "x" is not valid JSON`,
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  'key:0123456789ab has no permission for ReadMetrics',
  'basic authentication is not offered, nor is a basic test',
  'perdure_queue_desired_workers{queue="mail"} 3',
  'at run (file:///srv/app/keys.ts:10:5)',
]

function linesOf(log: (logger: Logger) => void): readonly string[] {
  const lines: string[] = []
  log(jsonLogger('debug', (line) => void lines.push(line)))
  return lines
}

describe('a text', () => {
  for (const [text, secret] of TEXTS)
    test(`has no secret any more: ${text.slice(0, 60)}`, () => {
      assert.ok(secret.length > 8 && text.includes(secret))
      const redacted = redactedText(text)
      assert.ok(!redacted.includes(secret), redacted)
      assert.match(redacted, /\[redacted/)
    })

  for (const text of HARMLESS)
    test(`stays as it is: ${text.slice(0, 60)}`, () => assert.equal(redactedText(text), text))

  test('keeps what is around', () => {
    assert.equal(
      redactedText(`cannot reach postgres://ann:${SECRET}@db1/orders: refused`),
      'cannot reach postgres://ann:[redacted]@db1/orders: refused',
    )
    assert.equal(
      redactedText(`{"password":"${SECRET}","user":"ann"}`),
      '{"password":[redacted],"user":"ann"}',
    )
  })

  test('is cut, and a secret at the cut is not', () => {
    const text = `${'x'.repeat(16_350)} postgres://ann:${SECRET.repeat(20)}@db1/orders ${'y'.repeat(100_000)}`
    const redacted = redactedText(text)
    assert.ok(!redacted.includes('hunter2'))
    assert.match(redacted, /… \[of \d+ characters\]$/)
    assert.ok(redacted.length < 16_500)
  })

  test('that gets short by what is taken out shows nothing of a secret that was cut', () => {
    const text = `token=${'t'.repeat(32_700)} postgres://ann:${SECRET.repeat(20)}@db1/orders`
    assert.equal(redactedText(text), `… [of ${text.length} characters]`)
  })

  test('of a kind that is looked at in vain is no trouble', () => {
    const parts = [
      'ey-',
      'ey.',
      '://a:',
      'http://',
      'http://a@',
      'password=',
      'password"',
      'cookie',
      '-----BEGIN PRIVATE KEY',
      'a://',
      'Bearer ',
    ]
    for (const part of parts) redactedText(`${part.repeat(40_000)}@`)
  })
})

describe('a field', () => {
  const shown = (name: string, value: unknown): unknown => redactedFields({ [name]: value })[name]

  test('whose name says that it is a secret is not shown', () => {
    const names = [
      ...[
        'password',
        'PGPASSWORD',
        'dbPassword',
        'passphrase',
        'pwd',
        'pass',
        'auth',
        'secret',
        'client_secret',
      ],
      ...[
        'clientSecrets',
        'token',
        'accessToken',
        'id-token',
        'x-auth-token',
        'authorization',
        'Authorization',
      ],
      ...[
        'cookie',
        'Set-Cookie',
        'credentials',
        'apiKey',
        'API_KEY',
        'x-api-key',
        'privateKey',
        'signing_key',
      ],
      ...['key', 'keys', 'encryptionKey', 'jwt', 'apikey'],
    ]
    for (const name of names)
      for (const value of ['plain', { nested: 'plain' }, ['plain'], Buffer.from('plain')])
        assert.equal(shown(name, value), '[redacted]', name)
    for (const name of ['password', 'pin', 'token']) assert.equal(shown(name, 1234), '[redacted]', name)
  })

  test('of another name is, and so is a count or a flag', () => {
    const names = [
      'idempotencyKey',
      'partitionKey',
      'publicKey',
      'monkey',
      'tokenizer',
      'keyId',
      'author',
      'passed',
    ]
    for (const name of names) assert.equal(shown(name, 'plain'), 'plain', name)
    assert.equal(shown('tokens', 12), 12)
    assert.equal(shown('keys', 3), 3)
    assert.equal(shown('secret', true), true)
    assert.equal(shown('password', null), null)
  })

  test('that JSON cannot hold is shown as far as it can be', () => {
    const circular: Record<string, unknown> = { password: SECRET, n: 1 }
    circular.self = circular
    const hostile = {
      get broken(): string {
        throw new Error(SECRET)
      },
    }
    assert.deepEqual(redactedFields({ circular, hostile, big: 5n, not: Number.NaN }), {
      circular: { password: '[redacted]', n: 1, self: '[circular]' },
      hostile: { broken: '[unreadable]' },
      big: '5',
      not: null,
    })
    const same = { n: 1, toJSON: () => same }
    assert.deepEqual(redactedFields({ same }), { same: { n: 1 } })
  })
})

describe('a logger', () => {
  /** Every way that a secret can take into a record. */
  function leaks(
    text: string,
  ): readonly (readonly [message: string, fields: Readonly<Record<string, unknown>>])[] {
    const inner = new Error(text)
    const outer = Object.assign(new TypeError(`outer: ${text}`, { cause: inner }), {
      code: text,
      config: { text },
    })
    const circular: { text: string; self?: unknown } = { text }
    circular.self = circular
    let deep: unknown = { text }
    for (let i = 0; i < 50; i++) deep = { deep, text }
    return [
      [text, {}],
      ['error', { error: inner }],
      ['cause', { error: outer }],
      ['cause that is no error', { error: new Error('outer', { cause: { text, more: [text] } }) }],
      ['cause of a cause', { error: new Error('a', { cause: new Error('b', { cause: text }) }) }],
      ['several', { error: new AggregateError([inner], text) }],
      ['text', { text }],
      ['nested', { a: { b: [{ c: text }] } }],
      ['name of a field', { [text]: 1 }],
      ['circular', { circular }],
      ['deep', { deep }],
      ['toJSON', { hidden: { toJSON: () => ({ text }) } }],
      ['bytes', { body: Buffer.from(text), view: new Uint8Array(Buffer.from(text)) }],
      ['inspected', { shown: inspect({ text }) }],
      ['JSON in JSON', { body: JSON.stringify({ body: JSON.stringify({ text }) }) }],
    ]
  }

  for (const [text, secret] of TEXTS)
    test(`never writes the secret of ${text.slice(0, 50)}`, () => {
      const lines = linesOf((logger) => {
        for (const [message, fields] of leaks(text)) {
          logger.warn(message, fields)
          safeLogger(logger).warn(message, fields)
          withFields(logger, fields).warn(message)
        }
      })
      assert.equal(lines.length, 3 * leaks(text).length)
      for (const line of lines) {
        assert.ok(!line.includes(secret), line)
        JSON.parse(line)
      }
    })

  test('never writes those of headers, requests and stores', () => {
    const url = new URL(`postgres://ann:${SECRET}@db1/orders`)
    const headers = { authorization: SECRET, 'x-api-key': SECRET, cookie: `a=${SECRET}`, host: 'h' }
    const raw = Object.entries(headers).flat()
    const lines = linesOf((logger) => {
      logger.info('headers', { headers, raw, entries: Object.entries(headers), url })
      logger.info('request', { request: { headers, auth: { user: 'ann', pass: SECRET } } })
      logger.info('arguments', { argv: ['--password', SECRET, '--host', 'h', '-token', SECRET] })
      logger.info('settings', { store: String(url), tls: { key: PEM, cert: 'node.crt' }, password: SECRET })
      logger.info('pool', { config: { connectionString: String(url), password: () => SECRET } })
    })
    for (const line of lines) assert.ok(!line.includes(SECRET) && !line.includes('PRIVATE KEY-'), line)
    const { headers: shown, argv } = JSON.parse(`{${lines.map((l) => l.trim().slice(1, -1)).join()}}`)
    assert.equal(shown.host, 'h')
    assert.deepEqual(argv, ['--password', '[redacted]', '--host', 'h', '-token', '[redacted]'])
  })

  test('looks at no field of a record below its level', () => {
    const logger = withFields(safeLogger(jsonLogger('error', () => assert.fail('written'))), { a: 1 })
    const untouched = new Proxy({}, { ownKeys: () => assert.fail('read'), get: () => assert.fail('read') })
    logger.debug('d', untouched)
    logger.warn('w', untouched)
  })

  test('that was given more fields has them in each record, and its own count more', () => {
    const lines = linesOf((logger) => {
      withFields(withFields(logger, { node: 'n1', a: 1 }), { a: 2 }).info('i', { b: 3 })
      withFields(safeLogger(logger), { node: 'n1' }).info('i', { node: 'n2' })
    })
    const [first, second] = lines.map((line) => JSON.parse(line))
    assert.deepEqual([first.node, first.a, first.b, second.node], ['n1', 2, 3, 'n2'])
    const seen: unknown[] = []
    const own: Logger = {
      debug: () => {},
      info: (...record) => seen.push(record),
      warn: () => {},
      error: () => {},
    }
    withFields(safeLogger(own), { node: 'n1' }).info('i', { b: 3 })
    assert.deepEqual(seen, [['i', { node: 'n1', b: 3 }]])
  })
})
