/** What `perdure start` says of settings is said with the names of its flags. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { perdure, temporaryDirectory } from './store-fixture.ts'

describe('perdure start', () => {
  const directory = temporaryDirectory()
  after(() => directory.remove())
  const start = (...args: string[]) =>
    perdure(['start', '--store', 'memory', ...args], { directory: directory.path, columns: 500 })

  test('names the flag that lets it listen beyond this machine', async () => {
    const { code, stderr } = await start('--listen', '0.0.0.0:0')
    assert.equal(code, 1)
    assert.match(stderr, /host is "0\.0\.0\.0".*--insecure-listen-without-authentication/)
  })

  test('names the flag of a file of the key that cannot be used', async () => {
    const key = join(directory.path, 'admin.key')
    writeFileSync(key, 'nothing', { mode: 0o600 })
    const { code, stderr } = await start('--listen', '127.0.0.1:0', '--admin-key-file', key)
    assert.equal(code, 1)
    assert.match(stderr, /\(--admin-key-file\) .*admin\.key holds no key/)
  })

  test('says once of an option that it may be repeated', async () => {
    for (const command of ['start', 'people', 'queues']) {
      const { stdout } = await perdure([command, '--help'], { columns: 500 })
      assert.match(stdout, /; may be repeated/)
      assert.doesNotMatch(stdout, /several times/)
    }
  })
})
