/** Commands over the REST API of an engine with TLS and access: authorities, certificates, profiles. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { Authority, openssl } from '../workers/certificates.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const found = openssl()
const directory = temporaryDirectory()
after(() => directory.remove())

test('an authority, a certificate that says who calls, a profile', {
  skip: 'missing' in found && found.missing,
}, async () => {
  const authority = new Authority(join(directory.path, 'tls'), 'authority')
  const key = join(directory.path, 'admin.key')
  await using engine = await createEngine({
    store: 'memory',
    logger: silentLogger,
    access: { adminKeyFile: key },
  })
  const { url } = await engine.listen({ tls: authority.issue('node-1', 'serverAuth,clientAuth') })
  const https = url.replace('wss:', 'https:')
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    perdure(args, { env: { XDG_CONFIG_HOME: directory.path, ...env }, columns: 500 })

  const unknown = await run(['namespaces', '--url', https, '--token-file', key])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /name the authority of its certificate with --tls-ca/)

  const trusted = ['--token-file', key, '--tls-ca', authority.ca]
  for (const each of [url, https]) {
    const { code, stdout, stderr } = await run(['namespaces', '--json', '--url', each, ...trusted])
    assert.deepEqual([code, stderr, JSON.parse(stdout).name], [0, '', 'default'])
  }
  const given = await run(['access', 'roles', 'give', 'certificate:robot', 'admin', '--url', url, ...trusted])
  assert.equal(given.code, 0, given.stderr)

  const robot = authority.issue('robot', 'clientAuth')
  const shown = ['--tls-cert', robot.cert, '--tls-key', robot.key, '--tls-ca', authority.ca]
  const explained = await run(['access', 'explain', 'CreateNamespace', '--json', '--url', url, ...shown])
  assert.partialDeepStrictEqual(JSON.parse(explained.stdout), { isAllowed: true, roles: ['admin'] })

  await run(['profile', 'set', 'prod', '--url', url, ...trusted])
  for (const [args, env] of [
    [['--profile', 'prod'], {}],
    [[], { PERDURE_PROFILE: 'prod' }],
    // The same engine by its other URL: the profile counts.
    [['--profile', 'prod', '--url', https], {}],
  ] as const)
    assert.equal((await run(['namespaces', ...args], env)).code, 0, args.join(' '))

  writeFileSync(join(directory.path, 'wrong.key'), 'pdk_wrong')
  const wrong = await run([
    'namespaces',
    '--profile',
    'prod',
    '--token-file',
    join(directory.path, 'wrong.key'),
  ])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /does not take this API key or token/)
  const plain = await run(['namespaces', '--url', url.replace('wss:', 'ws:'), ...trusted])
  assert.equal(plain.code, 2)
  assert.match(plain.stderr, /certificates are given, and --url ws:\S+ is without TLS/)
})
