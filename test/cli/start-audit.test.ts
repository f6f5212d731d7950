/** `perdure start` with an audit trail: what clients of its port do is recorded and signed. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { GivenOptions } from '../../src/cli/command.ts'
import { startAudit } from '../../src/cli/start/start-audit.ts'
import { type AuditSettings, connect, silentLogger } from '../../src/index.ts'
import { greet } from './start-definitions.ts'
import { ended, started } from './start-process.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const DEFINITIONS = join(import.meta.dirname, 'start-definitions.ts')

describe('perdure start, with an audit trail', () => {
  const directory = temporaryDirectory()
  after(() => directory.remove())

  test('records what clients do, from where, and signs it when it ends', async () => {
    const file = join(directory.path, 'audited.db')
    const key = join(directory.path, 'key.pem')
    const engine = await started([
      ...['--workflows', DEFINITIONS, '--store', `sqlite:${file}`, '--listen', '127.0.0.1:0'],
      ...['--audit-key', key, '--audit-retention', '30d'],
    ])
    const client = await connect(engine.urls, { logger: silentLogger })
    await (await client.start(greet, 'ada', { id: 'greet-ada' })).result()
    await client.close()
    assert.equal(await ended(engine), 0)
    assert.ok(existsSync(`${key}.pub`))
    const { stdout } = await perdure(['audit', '--json', '--resource', 'greet-ada', '--store', file])
    assert.partialDeepStrictEqual(JSON.parse(stdout), {
      action: 'StartExecution',
      result: 'changed',
      caller: 'open',
      kind: 'open',
      address: '127.0.0.1',
    })
    const verified = await perdure([
      'audit',
      'verify',
      '--json',
      '--public-key',
      `${key}.pub`,
      '--store',
      file,
    ])
    assert.equal(verified.code, 0, verified.stdout)
    assert.equal(JSON.parse(verified.stdout).unsigned, 0)
  })

  test('a flag counts over the environment, that over the file; paths of the file are from its directory', () => {
    const of = (
      flags: Record<string, string>,
      env: Record<string, string> = {},
      config?: AuditSettings,
    ): AuditSettings | undefined =>
      startAudit({ options: new GivenOptions(flags), env, directory: '/here' }, config, {
        base: '/etc/orders',
        place: 'audit in perdure.config.ts',
      })
    assert.equal(of({}), undefined)
    assert.deepEqual(of({}, {}, { signingKeyFile: 'key.pem', retention: '90d' }), {
      signingKeyFile: '/etc/orders/key.pem',
      retention: '90d',
    })
    const env = { PERDURE_AUDIT_KEY: 'env.pem', PERDURE_AUDIT_RETENTION: '' }
    assert.deepEqual(of({}, env, { signingKeyFile: 'key.pem', retention: '90d' }), {
      signingKeyFile: '/here/env.pem',
      retention: '90d',
    })
    assert.deepEqual(of({ 'audit-key': 'flag.pem', 'audit-retention': '2d' }, env), {
      signingKeyFile: '/here/flag.pem',
      retention: '2d',
    })
    assert.throws(() => of({ 'audit-retention': '2d' }), /no key/)
    assert.throws(() => of({ 'audit-key': 'k', 'audit-retention': '2 days' }), /audit-retention/)
    assert.throws(() => of({ 'audit-key': 'k', 'audit-retention': '1m' }), /shorter than 1 hour/)
    assert.throws(
      () => of({}, {}, { retention: '2d' } as never),
      /audit in perdure.config.ts.*signingKeyFile/,
    )
    assert.throws(() => of({}, {}, { signingKey: 'x' } as never), /no option 'signingKey'/)
  })

  test('a key that cannot be used ends it at once, with a reason', async () => {
    const bad = join(directory.path, 'bad.pem')
    writeFileSync(bad, 'nothing')
    const store = join(directory.path, 'other.db')
    const { code, stderr } = await perdure(
      ['start', '--store', `sqlite:${store}`, '--listen', '127.0.0.1:0', '--audit-key', bad],
      { directory: directory.path },
    )
    assert.equal(code, 1)
    assert.match(stderr.replaceAll('\n', ' '), /bad\.pem is no private key in PEM/)
    assert.ok(!existsSync(store), 'nothing was opened')
  })
})
