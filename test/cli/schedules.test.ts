/** `perdure schedules`, on a file that an engine has written. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  copyOf,
  damage,
  makeSchedules,
  type ProgramSettings,
  perdure,
  temporaryDirectory,
} from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeSchedules(directory.path)
})
after(() => directory.remove())

describe('perdure schedules', () => {
  const schedules = (args: readonly string[] = [], settings: ProgramSettings = {}) =>
    perdure(['schedules', '--store', `sqlite:${file}`, ...args], settings)
  const linesOf = (stdout: string): Record<string, unknown>[] =>
    stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

  test('in the order of ids, one JSON object per line', async () => {
    const listed = linesOf((await schedules(['--json'])).stdout)
    assert.deepEqual(
      listed.map(({ id }) => id),
      ['audit', 'nightly', 'old', 'sync'],
    )
    assert.partialDeepStrictEqual(listed[1], {
      id: 'nightly',
      namespace: 'default',
      times: { kind: 'cron', cron: '0 30 2 * * *', timezone: 'Europe/Berlin' },
      workflow: 'fulfil-order',
      overlap: 'buffer-one',
      paused: null,
      lastRun: { cause: 'trigger' },
      buffered: null,
      started: 1,
      skipped: 0,
      missed: 0,
    })
    assert.equal(listed[0]?.paused, 'until the audit is over')
    assert.equal(listed[0]?.nextTime, null)
    assert.match(String(listed[3]?.nextTime), /^\d{4}-.*Z$/)
  })

  test('page by page', async () => {
    const first = await schedules(['--json', '--limit', '3'])
    const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1] ?? ''
    assert.equal(cursor, 'default/old')
    const second = await schedules(['--json', '--limit', '3', '--cursor', cursor])
    assert.deepEqual([linesOf(second.stdout).map(({ id }) => id), second.stderr], [['sync'], ''])
    const all = await schedules(['--json', '--limit', '4'])
    assert.equal(all.stderr, '')
  })

  test('the table fits every width', async () => {
    for (const columns of [20, 40, 80, 140, 200]) {
      const lines = (await schedules([], { columns })).stdout.trimEnd().split('\n')
      assert.equal(lines.length, 5)
      for (const line of lines) assert.ok(line.length <= columns, `${columns} columns: ${line}`)
    }
    const { stdout } = await schedules([], { columns: 200 })
    assert.match(stdout, /audit +@daily +paused/)
    assert.match(stdout, /sync +every 15m \+ 2m/)
    assert.match(stdout, /old +0 0 0 1 1 \* 2020 +none/)
  })

  test('of another namespace there are none', async () => {
    assert.deepEqual(await schedules(['--namespace', 'elsewhere']), {
      stdout: '',
      stderr: 'No schedules.\n',
      code: 0,
    })
  })

  test('a file of an older schema is not read', async () => {
    const old = join(directory.path, 'old.db')
    copyFileSync(join(import.meta.dirname, '../fixtures/store-v1.db'), old)
    const { code, stderr } = await perdure(['schedules', '--store', old])
    assert.equal(code, 2)
    assert.match(stderr, /schema version 1, and schedules are read from version 4 on/)
  })

  test('a damaged row is named', async () => {
    const damaged = copyOf(file, 'damaged')
    damage(damaged, `update schedule set state = '{' where id = 'nightly'`)
    const { code, stderr } = await perdure(['schedules', '--store', damaged])
    assert.equal(code, 1)
    assert.match(stderr, /schedule nightly is damaged/)
  })

  test('doctor: a sound file, and damages that it finds', async () => {
    const { code, stdout } = await perdure(['doctor', file], { columns: 160 })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^ok +schedules +4 schedules, every row as it should be/m)
    const damages: [sql: string, says: RegExp][] = [
      [`update schedule set state = '5' where id = 'sync'`, /schedule sync: its spec or its state is not/],
      [
        `update schedule set due_at = 5 where id = 'sync'`,
        /schedule sync: it is due at 5, and should be at \d+/,
      ],
      [
        `update schedule set due_at = 5 where id = 'audit'`,
        /schedule audit: it is due at 5, and should be at null/,
      ],
      [`update schedule set waits = 1 where id = 'old'`, /schedule old: it waits, and no run is buffered/],
      [
        `update schedule set state = json_set(state, '$.buffered', json('{"workflowId":"a"}'), '$.running', json('[]'))
          where id = 'sync'`,
        /schedule sync: a run is buffered, and its row does not wait.*and no other one was open/s,
      ],
    ]
    for (const [i, [sql, says]] of damages.entries()) {
      const damaged = copyOf(file, `doctored-${i}`)
      damage(damaged, sql)
      const found = await perdure(['doctor', damaged], { columns: 160 })
      assert.equal(found.code, 1, sql)
      assert.match(found.stdout, says)
      assert.match(found.stdout, /^problem +schedules +\d findings?/m)
    }
  })

  for (const cursor of ['a', 'a/b/c', '%/b'])
    test(`--cursor ${cursor} is refused with exit code 2`, async () => {
      const { code, stderr } = await schedules(['--cursor', cursor])
      assert.equal(code, 2)
      assert.match(stderr, /is not one that a list of schedules has shown/)
    })
})
