/** `perdure queues`, on a file that an engine has written, and on an engine that runs. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { copyOf, damage, makeQueues, perdure, temporaryDirectory } from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeQueues(directory.path)
})
after(() => directory.remove())

const linesOf = (stdout: string): Record<string, unknown>[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

describe('perdure queues, of a file', () => {
  test('what waits, and what was changed at run time', async () => {
    const { stdout } = await perdure(['queues', '--json', '--store', file])
    const listed = linesOf(stdout)
    assert.deepEqual(
      listed.map(({ queue, waiting, revision, overrides }) => [queue, waiting, revision, overrides]),
      [
        ['letters', 2, 1, { policy: { name: 'sjf', aging: 0.2 }, rate: { perSecond: 5, burst: 20 } }],
        ['mail', 1, 2, { concurrency: null, paused: true }],
        ['parcels', 1, 0, {}],
      ],
    )
    assert.partialDeepStrictEqual(listed[1], { pause: { reason: 'the provider is down' } })
    const shown = await perdure(['queues', 'show', 'mail', '--json', '--store', file])
    assert.deepEqual(linesOf(shown.stdout), [listed[1]])
    assert.equal((await perdure(['queues', '--namespace', 'other', '--store', file])).stdout, '')
  })

  test('doctor finds the row in order, and says what is wrong with one that is not', async () => {
    const sound = await perdure(['doctor', file], { columns: 160 })
    assert.equal(sound.code, 0)
    assert.match(sound.stdout, /^ok +queues +settings of 2 queues, every row as it should be/m)
    const damages: [sql: string, says: RegExp][] = [
      [`update queue_setting set setting = '{'`, /queue mail: its text is not that of settings/],
      [`update queue_setting set revision = 0 where queue = 'mail'`, /queue mail: its revision is 0/],
      [
        `update queue_setting set setting = json_remove(setting, '$.pause') where queue = 'mail'`,
        /queue mail: it is paused without a reason/,
      ],
      [
        `update queue_setting set setting = json_set(setting, '$.overrides.lifo', 1) where queue = 'letters'`,
        /queue letters: it sets 'lifo', which is no setting/,
      ],
    ]
    for (const [i, [sql, says]] of damages.entries()) {
      const damaged = copyOf(file, `doctored-${i}`)
      damage(damaged, sql)
      const found = await perdure(['doctor', damaged], { columns: 160 })
      assert.equal(found.code, 1, sql)
      assert.match(found.stdout, says)
      assert.match(found.stdout, /^problem +queues +\d findings?/m)
    }
    const damaged = await perdure(['queues', '--store', join(directory.path, 'doctored-0.db')])
    assert.equal(damaged.code, 1)
    assert.match(damaged.stderr, /STORE_CORRUPT/)
  })

  test('a file of an older schema is refused', async () => {
    const old = join(directory.path, 'old.db')
    copyFileSync(join(import.meta.dirname, '../fixtures/store-v1.db'), old)
    const { code, stderr } = await perdure(['queues', '--store', old])
    assert.equal(code, 2)
    assert.match(stderr, /schema version 1, and queues are read from version 5 on/)
  })
})

describe('perdure queues, of an engine that runs', () => {
  test('shows what is in force, and changes it', async () => {
    await using engine = await createEngine({
      store: 'memory',
      logger: silentLogger,
      queues: [{ name: 'mail', policy: 'priority', concurrency: 5 }],
    })
    const { url } = await engine.listen()
    const env = { PERDURE_URL: url }
    const run = (line: string, more: readonly string[] = []) =>
      perdure(['queues', ...line.split(' ').filter((word) => word !== ''), ...more], { env, columns: 120 })
    assert.match((await run('')).stdout, /^QUEUE .*\nmail +priority +0 +0 +0 +0\n$/)
    const set = await run('set mail --policy', [
      '{"name":"sjf","aging":0.2}',
      ...['--concurrency', 'none', '--rate', '5/20', '--key-concurrency', '2', '--balancer', 'hash'],
    ])
    assert.deepEqual([set.code, set.stdout, set.stderr], [0, 'queue mail: revision 1\n', ''])
    assert.deepEqual(linesOf((await run('pause mail --json --reason', ['too hot'])).stdout), [
      { queue: 'mail', revision: 2 },
    ])
    assert.partialDeepStrictEqual(await engine.queues.get('mail'), {
      overrides: {
        policy: { name: 'sjf', aging: 0.2 },
        balancer: { name: 'hash' },
        concurrency: null,
        keyConcurrency: 2,
        rate: { perSecond: 5, burst: 20 },
        paused: true,
      },
    })
    const { stdout } = await run('show mail')
    assert.match(stdout, /^paused +since \S+ \S+: too hot$/m)
    assert.match(stdout, /^policy +sjf \{"aging":0.2\} +run-time$/m)
    assert.match(stdout, /^concurrency +none +run-time$/m)
    assert.match(stdout, /^keyRate +none +default$/m)
    assert.match((await run('list')).stdout, /^mail +sjf +paused /m)
    const late = await run('resume mail --if-revision 1')
    assert.equal(late.code, 1)
    assert.match(late.stderr, /REVISION_CONFLICT/)
    await run('resume mail')
    await run('reset mail --setting policy --setting rate')
    assert.partialDeepStrictEqual(await engine.queues.get('mail'), {
      isPaused: false,
      settings: { policy: { name: 'priority' }, keyConcurrency: 2 },
    })
    await run('reset mail')
    assert.deepEqual((await engine.queues.get('mail')).overrides, {})
    const refused = await run('set mail --policy lifo')
    assert.equal(refused.code, 1)
    assert.match(
      refused.stderr,
      /no scheduling policy 'lifo' to change to; there are [\s\S]*ARGUMENT_INVALID/,
    )
  })

  for (const [line, says] of [
    ['pause mail', /pause asks an engine, and none was named/],
    ['pause', /QUEUE is missing/],
    ['stop mail', /'stop' is nothing to do with queues/],
    ['set mail --url ws://127.0.0.1:1', /nothing is to be set/],
    ['set mail --rate fast', /--rate fast is no rate/],
    ['set mail --concurrency 0', /--concurrency 0 is not a whole number of 1 or more/],
    ['set mail --policy {', /\{ is no JSON/],
    ['reset mail --setting zones', /there is no setting 'zones'/],
    ['pause mail --url ftp://127.0.0.1', /is not a URL like ws:/],
  ] as const)
    test(`${line} is refused with exit code 2`, async () => {
      const { code, stderr } = await perdure(['queues', ...line.split(' ')])
      assert.equal(code, 2)
      assert.match(stderr.replace(/\s+/g, ' '), says)
    })
})
