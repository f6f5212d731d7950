/** `perdure tasks` and what doctor says of tasks, on a real file. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import type { FindingCode } from '../../src/cli/doctor/finding.ts'
import {
  copyOf,
  damage,
  makeTasks,
  type ProgramSettings,
  perdure,
  temporaryDirectory,
} from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeTasks(directory.path)
})
after(() => directory.remove())

describe('perdure tasks', () => {
  const tasks = (args: readonly string[] = [], settings: ProgramSettings = {}) =>
    perdure(['tasks', '--store', `sqlite:${file}`, ...args], settings)
  const listed = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const { stdout, code, stderr } = await tasks(['--json', ...args])
    assert.equal(code, 0, stderr)
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }
  const ids = async (...args: string[]): Promise<string[]> =>
    (await listed(...args)).map(({ id }) => (String(id).startsWith('~') ? '~' : String(id)))
  const ALL = ['~', 'letter-kim', 'letter-eve', 'letter-bob', 'letter-nobody', 'letter-ada']

  test('newest first, one JSON object per line', async () => {
    assert.deepEqual(await ids(), ALL)
    const [failed] = await listed('--status', 'failed')
    assert.partialDeepStrictEqual(failed, {
      id: 'letter-nobody',
      namespace: 'default',
      name: 'send-letter',
      queue: 'default',
      status: 'failed',
      key: 'nobody',
      priority: 5,
      owner: null,
      attempts: 1,
      error: { message: 'no such street', code: 'NO_STREET' },
    })
  })

  test('by status, queue, name, key, owner, error, id, namespace and time', async () => {
    assert.deepEqual(await ids('--status', 'failed,cancelled'), ['letter-kim', 'letter-nobody'])
    assert.deepEqual(await ids('--status', 'waiting', '--status', 'delayed'), [
      '~',
      'letter-eve',
      'letter-bob',
    ])
    assert.deepEqual(await ids('--queue', 'closed'), ['~', 'letter-kim', 'letter-eve'])
    assert.deepEqual(await ids('--name', 'send'), [])
    assert.deepEqual(await ids('--key', 'ada'), ['~', 'letter-ada'])
    assert.deepEqual(await ids('--owner', 'upload-1'), ['~'])
    assert.deepEqual(await ids('--error', 'NO_STREET'), ['letter-nobody'])
    assert.deepEqual(await ids('--id', 'letter-a'), ['letter-ada'])
    assert.deepEqual(await ids('--namespace', 'elsewhere'), [])
    assert.deepEqual(await ids('--since', '1h'), ALL)
    assert.deepEqual(await ids('--until', '1h'), [])
  })

  test('page by page: the pages are the whole list, and the hint names the next', async () => {
    const paged: string[] = []
    let cursor: string[] = []
    for (;;) {
      const { stdout, stderr } = await tasks(['--json', '--limit', '4', ...cursor])
      paged.push(...stdout.trim().split('\n'))
      const next = /--cursor (\S+)/.exec(stderr)?.[1]
      if (next === undefined) break
      cursor = ['--cursor', next]
    }
    assert.equal(paged.length, ALL.length)
    assert.deepEqual(
      paged.map((line) => JSON.parse(line).enqueuedAt),
      (await listed()).map(({ enqueuedAt }) => enqueuedAt),
    )
  })

  test('the table fits every width', async () => {
    for (const columns of [20, 40, 80, 140, 200]) {
      const lines = (await tasks([], { columns })).stdout.trimEnd().split('\n')
      assert.equal(lines.length, ALL.length + 1)
      for (const line of lines) assert.ok(line.length <= columns, `${columns} columns: ${line}`)
    }
    assert.match((await tasks([], { columns: 200 })).stdout, /NO_STREET: no such street/)
  })

  test('nothing found is said on standard error', async () => {
    assert.deepEqual(await tasks(['--status', 'expired']), { stdout: '', stderr: 'No tasks.\n', code: 0 })
  })

  test('a file of an older schema is not read', async () => {
    const old = join(directory.path, 'old.db')
    copyFileSync(join(import.meta.dirname, '../fixtures/store-v1.db'), old)
    const { code, stderr } = await perdure(['tasks', '--store', old])
    assert.equal(code, 2)
    assert.match(stderr, /schema version 1, and tasks are read from version \d+ on/)
  })

  const wrong: [args: string[], says: RegExp][] = [
    [['--status', 'faild'], /'faild' is not a status of a stored task\nDid you mean failed\?/],
    [['--status', 'running'], /'running' is not a status of a stored task/],
    [['--cursor', 'Ä'], /--cursor Ä is not one that a list of tasks has shown/],
    [['--since', 'yesterday'], /--since yesterday is not a time/],
    [['--limit', '0'], /--limit 0 is not a whole number of 1 or more/],
  ]
  for (const [args, says] of wrong)
    test(`${args.join(' ')} is refused with exit code 2`, async () => {
      const { code, stdout, stderr } = await tasks(args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, says)
    })
})

describe('doctor, of tasks', () => {
  test('a sound file: every row is as it should be', async () => {
    const { code, stdout } = await perdure(['doctor', file], { columns: 160 })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^ok +tasks +6 tasks \(1 completed, 1 failed, 1 delayed, 2 waiting, 1 cancelled\)/m)
    const { counts } = await auditFile(file)
    assert.equal(counts.tasks, 6)
  })

  const of = (id: string): string => `where id = 'letter-${id}'`
  const damages: [what: string, code: FindingCode, sql: string][] = [
    ['a spec that is no JSON', 'task-unreadable', `update task set spec = '{' ${of('ada')}`],
    ['a state that is a number', 'task-unreadable', `update task set state = '5' ${of('ada')}`],
    ['a spec without a time', 'task-unreadable', `update task set spec = '{}' ${of('ada')}`],
    ['a status that there is not', 'task-status', `update task set status = 'lost' ${of('eve')}`],
    ['a stored status of running', 'task-status', `update task set status = 'running' ${of('eve')}`],
    ['an end without a time', 'task-status', `update task set closed_at = null ${of('ada')}`],
    ['a time without an end', 'task-status', `update task set closed_at = 5 ${of('eve')}`],
    [
      'completed without a result',
      'task-status',
      `update task set state = json_remove(state, '$.result') ${of('ada')}`,
    ],
    [
      'failed without a failure',
      'task-status',
      `update task set state = json_remove(state, '$.failure') ${of('nobody')}`,
    ],
    ['an end that is due', 'task-due', `update task set due_at = 5 ${of('ada')}`],
    ['delayed, and due at another time', 'task-due', `update task set due_at = due_at + 1 ${of('bob')}`],
    ['delayed, and never due', 'task-due', `update task set due_at = null ${of('bob')}`],
    ['a lane that is none', 'task-lane', `update task set lane = 'fcfs' ${of('eve')}`],
    ['a key that is not held', 'task-key', `update task set dedupe = null ${of('eve')}`],
    ['a key that is held by nobody', 'task-key', `update task set dedupe = 'x' ${of('kim')}`],
    [
      'an execution that is not there',
      'task-owner',
      `delete from execution; delete from journal; delete from timer; delete from current`,
    ],
    [
      'an execution that has ended',
      'task-owner',
      `update execution set status = 'completed', active = 0, closed_at = started_at`,
    ],
    [
      'an end that its execution was not told',
      'task-owner',
      `update task set status = 'cancelled', closed_at = 5, due_at = null,
        state = '{"failure":{"kind":"platform","name":"a","message":"b"}}' where id is null`,
    ],
  ]
  for (const [what, code, sql] of damages)
    test(what, async () => {
      const copy = copyOf(file, `damaged-${what.replaceAll(/\W/g, '-')}`)
      damage(copy, sql)
      const { code: exit, stdout } = await perdure(['doctor', copy, '--json'])
      assert.equal(exit, 1)
      const { findings, checks } = JSON.parse(stdout)
      const found = findings.filter((each: { code: string }) => each.code === code)
      assert.equal(found.length, 1, JSON.stringify(findings))
      assert.ok(found[0].advice.length > 10 && found[0].taskId !== undefined)
      assert.equal(checks.find(({ name }: { name: string }) => name === 'tasks').level, 'problem')
    })

  test('a message on its way explains a task without its execution', async () => {
    const copy = copyOf(file, 'on-its-way')
    damage(
      copy,
      `update execution set status = 'completed', active = 0, closed_at = started_at;
      insert into outbox select shard, shard, 1, json_object('kind', 'withdraw-task', 'task', task.seq, 'runId', run_id,
        'to', json_object('namespace', execution.namespace, 'workflowId', workflow_id))
        from execution, task where task.id is null`,
    )
    const { findings } = await auditFile(copy)
    assert.deepEqual(
      findings.filter(({ code }) => code === 'task-owner'),
      [],
    )
  })

  test('in words, with the place', async () => {
    const copy = copyOf(file, 'in-words')
    damage(copy, `update task set due_at = 5 ${of('ada')}`)
    const { stdout } = await perdure(['doctor', copy], { columns: 120 })
    assert.match(stdout, /^problem +tasks +1 finding$/m)
    assert.match(stdout, /task-due\n {2}task letter-ada: it is completed and due at 5, and should be at null/)
    assert.match(stdout, /^ok +journals/m)
  })
})
