/** `perdure start` with what it is told of the REST API, of webhooks and of keys. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parseCommandLine } from '../../src/cli/command.ts'
import { HTTP_OPTIONS, startHttp, startWebhooks } from '../../src/cli/start/start-http.ts'
import { ended, started } from './start-process.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const DEFINITIONS = join(import.meta.dirname, 'start-definitions.ts')
const directory = temporaryDirectory()
after(() => directory.remove())

async function allowed(url: string, origin: string): Promise<string | null> {
  const asked = { headers: { origin } }
  const { headers } = await fetch(`${url.replace('ws', 'http')}/v1/queues`, asked)
  return headers.get('access-control-allow-origin')
}

describe('a flag counts over the environment, that over the file', () => {
  const file = { origins: ['https://file.example'], limits: { depth: 9 } }
  const env = { PERDURE_HTTP_ORIGINS: 'https://a.example, https://b.example', PERDURE_HTTP_HOSTS: 'gate' }
  const optionsOf = (args: readonly string[]) =>
    parseCommandLine({ options: HTTP_OPTIONS, operands: [] }, args).options

  test('origins and hosts, each by itself', () => {
    const of = (args: readonly string[], environment: Record<string, string>) =>
      startHttp({ options: optionsOf(args), env: environment }, file, 'http')
    assert.deepEqual(of([], {}), file)
    const [a, b] = ['https://a.example', 'https://b.example']
    assert.deepEqual(of([], env), { ...file, origins: [a, b], hosts: ['gate'] })
    assert.deepEqual(of(['--http-origin', a ?? ''], env), { ...file, origins: [a], hosts: ['gate'] })
  })

  test('webhooks', () => {
    const of = (args: readonly string[], environment: Record<string, string>) =>
      startWebhooks({ options: optionsOf(args), env: environment }, { allowPrivate: true }, 'webhooks')
    const off = { PERDURE_WEBHOOKS_ALLOW_PRIVATE: '0' }
    assert.deepEqual(of([], {}), { allowPrivate: true })
    assert.deepEqual(of([], off), { allowPrivate: false })
    assert.deepEqual(of(['--webhooks-allow-private'], off), { allowPrivate: true })
  })
})

test('an origin of a flag may call, and payloads are encrypted with the key of a file', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  mkdirSync(join(directory.path, 'keys'))
  const key = join(directory.path, 'keys/own.pem')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const file = join(directory.path, 'encrypted.db')
  const config = join(directory.path, 'encrypted.mjs')
  // Paths in it are from its directory.
  const encryption = { keys: { privateKeys: ['keys/own.pem'] }, plaintext: 'accept' }
  const http = { origins: ['https://file.example'] }
  const settings = { store: `sqlite:${file}`, workflows: DEFINITIONS, listen: '0', encryption, http }
  writeFileSync(config, `export default ${JSON.stringify(settings)}`)
  const engine = await started(['--config', config, '--http-origin', 'https://flag.example'])
  try {
    const [url = ''] = engine.urls
    assert.equal(await allowed(url, 'https://flag.example'), 'https://flag.example')
    assert.equal(await allowed(url, 'https://file.example'), null)
    const run = await perdure(['run', 'greet', '--id', 'g', '--input', '"ada"', '--wait', '--url', url])
    assert.equal(run.code, 1)
    assert.match(run.stderr, /PAYLOAD_UNREADABLE/)
  } finally {
    assert.equal(await ended(engine), 0)
  }
  assert.doesNotMatch(readFileSync(file, 'latin1'), /HELLO/)
  const shown = await perdure(['show', 'g', '--store', file, '--decrypt', key])
  assert.match(shown.stdout, /HELLO ADA/)
})

describe('what is wrong is told before anything starts', () => {
  const cases: [flags: readonly string[], env: Record<string, string>, says: RegExp][] = [
    [['--http-origin', 'app.example'], {}, /--http-origin.*"app\.example" is no origin/],
    [[], { PERDURE_HTTP_ORIGINS: 'x' }, /PERDURE_HTTP_ORIGINS.*"x" is no origin/],
    [[], { PERDURE_WEBHOOKS_ALLOW_PRIVATE: 'maybe' }, /PERDURE_WEBHOOKS_ALLOW_PRIVATE is maybe/],
    [['--data-keys', 'sqlite:k.db'], {}, /--data-keys is given, and no key/],
    [['--encryption-private-key', 'none.pem'], {}, /--encryption-private-key.*none\.pem/],
    [['--config', 'bad-http.mjs'], {}, /http in .*bad-http\.mjs: .*pages/],
    [['--config', 'bad-keys.mjs'], {}, /encryption in .*bad-keys\.mjs has no keys|it has no keys/],
    [['--config', 'bad-webhooks.mjs'], {}, /webhooks in .*bad-webhooks\.mjs is \{"allow":true\}/],
  ]
  for (const [name, text] of [
    ['http', `http: { pages: [] }`],
    ['keys', 'encryption: {}'],
    ['webhooks', 'webhooks: { allow: true }'],
  ])
    writeFileSync(join(directory.path, `bad-${name}.mjs`), `export default { ${text} }`)
  for (const [flags, env, says] of cases)
    test(`${flags.join(' ')} ${Object.keys(env)}`, async () => {
      const args = ['start', '--store', 'memory', '--listen', '0', ...flags]
      const { code, stdout, stderr } = await perdure(args, { env, directory: directory.path, columns: 300 })
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, says)
    })
})
