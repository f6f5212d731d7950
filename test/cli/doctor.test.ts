/** `perdure doctor` on sound files, and on files damaged in many ways: each damage is found, named, and fails the command. */
import assert from 'node:assert/strict'
import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Check } from '../../src/cli/doctor/check.ts'
import { auditFile, auditStore } from '../../src/cli/doctor/file-audit.ts'
import type { Finding, FindingCode } from '../../src/cli/doctor/finding.ts'
import { StoreRows } from '../../src/cli/doctor/store-rows.ts'
import { openForTool } from '../../src/store/sqlite/tool-connection.ts'
import {
  appendEvent,
  copyOf,
  damage,
  makeOrders,
  type ProgramSettings,
  perdure,
  runOf,
  temporaryDirectory,
} from './store-fixture.ts'

interface Report {
  readonly ok: boolean
  readonly checks: readonly Check[]
  readonly counts: Record<string, number> | null
  readonly findingCount: number
  readonly findings: readonly (Finding & { readonly advice: string })[]
}

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeOrders(directory.path)
})
after(() => directory.remove())

async function doctor(
  path: string,
  settings: ProgramSettings = {},
): Promise<{ readonly code: number | null; readonly report: Report }> {
  const { code, stdout, stderr } = await perdure(['doctor', path, '--json'], settings)
  assert.equal(stderr, '')
  return { code, report: JSON.parse(stdout) }
}

const problemsOf = ({ checks }: Report): string[] =>
  checks.filter(({ level }) => level === 'problem').map(({ name }) => name)

describe('a sound file', () => {
  test('exit code 0, every check in order, and what it holds', async () => {
    const { code, report } = await doctor(file)
    assert.deepEqual([code, report.ok, report.findingCount], [0, true, 0])
    assert.deepEqual(problemsOf(report), [])
    assert.partialDeepStrictEqual(report.counts, {
      executions: 11,
      byStatus: { completed: 3, failed: 1, parked: 1, running: 6 },
    })
    const names = report.checks.map(({ name }) => name)
    for (const name of ['node', 'sqlite', 'file', 'directory', 'disk', 'schema', 'journal mode', 'engine'])
      assert.ok(names.includes(name), name)
  })

  test('in words, within the width', async () => {
    for (const columns of [50, 80, 120]) {
      const { code, stdout } = await perdure(['doctor', file], { columns })
      assert.equal(code, 0)
      assert.match(stdout, /Everything is in order\.\n$/)
      assert.match(stdout, /^note +engine +no engine runs on/m)
      for (const line of stdout.split('\n')) assert.ok(line.length <= columns, `${columns}: ${line}`)
    }
  })

  test('--quick, and the audit as a function', async () => {
    const { code, stdout } = await perdure(['doctor', '--quick', '--store', file])
    assert.equal(code, 0)
    assert.match(stdout, /quick_check/)
    const { findings, counts } = await auditFile(file)
    assert.deepEqual([findings.length, counts.executions], [0, 11])
  })

  test('a file that is not there', async () => {
    const { code, report } = await doctor(join(directory.path, 'none.db'))
    assert.deepEqual([code, problemsOf(report)], [1, ['file']])
  })
})

describe('a damaged file', () => {
  const pageBytes = 8192
  const cases: [how: string, damage: (path: string) => void, problems: RegExp][] = [
    [
      'cut to half',
      (path) => truncateSync(path, (statSync(path).size >> 1) & ~(pageBytes - 1)),
      /store|integrity/,
    ],
    ['cut within its last page', (path) => truncateSync(path, statSync(path).size - 100), /size/],
    ['cut to 100 bytes', (path) => truncateSync(path, 100), /schema|store/],
    ['empty', (path) => truncateSync(path, 0), /schema/],
    ['garbage in its header', (path) => garbage(path, 0, 100), /schema|store/],
    ['text', (path) => writeFileSync(path, 'not a database\n'.repeat(2000)), /schema|store/],
  ]
  for (const [how, harm, problems] of cases) {
    test(how, async () => {
      const copy = copyOf(file, `damaged-${how.replaceAll(' ', '-')}`)
      harm(copy)
      const { code, report } = await doctor(copy)
      assert.equal(code, 1)
      assert.match(problemsOf(report).join(' '), problems)
      for (const { level, advice } of report.checks)
        assert.ok(level !== 'problem' || (advice ?? '').length > 10)
    })
  }

  test('garbage bytes in any page are found', async () => {
    const pages = statSync(file).size / pageBytes
    for (let page = 1; page < pages; page++) {
      const copy = copyOf(file, 'garbage')
      garbage(copy, page * pageBytes, 16)
      const { code, report } = await doctor(copy)
      assert.equal(code, 1, `page ${page + 1}`)
      assert.ok(problemsOf(report).length > 0 || report.findingCount > 0)
    }
  })

  test('another application, a newer schema, another journal mode', async () => {
    const other = join(directory.path, 'other.db')
    damage(other, 'create table t (a)')
    const newer = copyOf(file, 'newer')
    damage(newer, 'pragma user_version = 99')
    const mode = copyOf(file, 'mode')
    damage(mode, 'pragma journal_mode = delete')
    const found = async (path: string, name: string): Promise<string> => {
      const { code, report } = await doctor(path)
      assert.equal(code, 1)
      const check = report.checks.find((each) => each.name === name)
      return `${check?.says} ${check?.advice}`
    }
    assert.match(await found(other, 'schema'), /another application/)
    assert.match(await found(newer, 'schema'), /schema version 99.*upgrade this program/)
    assert.match(await found(mode, 'journal mode'), /delete instead of wal/)
  })

  test('a clock that was set back an hour', async () => {
    const { code, report } = await doctor(file, { nowMs: Date.now() - 3_600_000 })
    assert.deepEqual([code, problemsOf(report)], [1, ['clock']])
    assert.match(
      report.checks.find(({ name }) => name === 'clock')?.says ?? '',
      /59m .*in the future.*set back/,
    )
  })
})

describe('a changed file', () => {
  const lastEntry = `(select max(seq) from journal where run_id = ${runOf('order-fail')})`
  const cases: [how: string, code: FindingCode, sql: string][] = [
    [
      'a row of the journal is gone',
      'sequence-gap',
      `delete from journal where run_id = ${runOf('order-flaky')}
        and seq = (select min(seq) from journal where run_id = ${runOf('order-flaky')} and seq > 1)`,
    ],
    [
      'the first row is gone',
      'sequence-gap',
      `delete from journal where run_id = ${runOf('order-1')} and seq = 1`,
    ],
    [
      'the last row is gone',
      'summary-differs',
      `delete from journal where run_id = ${runOf('order-fail')} and seq = ${lastEntry}`,
    ],
    ['all rows are gone', 'journal-missing', `delete from journal where run_id = ${runOf('order-fail')}`],
    [
      'a gap in the numbers',
      'sequence-gap',
      `update journal set seq = seq + 3 where run_id = ${runOf('order-fail')} and seq > 1`,
    ],
    [
      'two rows overlap',
      'sequence-overlap',
      `update journal set count = count + 1, events = json_insert(events, '$[#]', json('{"type":"execution-resumed","at":9e12}'))
        where run_id = ${runOf('order-0')} and seq = 1`,
    ],
    [
      'a row says another count',
      'entry-count',
      `update journal set count = count + 1 where run_id = ${runOf('order-fail')} and seq = ${lastEntry}`,
    ],
    [
      'a row is no JSON',
      'entry-unreadable',
      `update journal set events = substr(events, 1, 20) where run_id = ${runOf('order-0')}`,
    ],
    [
      'a row is no list',
      'entry-unreadable',
      `update journal set events = '{}' where run_id = ${runOf('order-0')}`,
    ],
    [
      'a row has another format',
      'event-newer',
      `update journal set format = 2 where run_id = ${runOf('order-0')}`,
    ],
    [
      'an event of a newer version',
      'event-newer',
      appendEvent('order-wait', '{"type":"step-completed","v":2}'),
    ],
    ['an event of no known type', 'event-malformed', appendEvent('order-wait', '{"type":"step-exploded"}')],
    [
      'an event without a time',
      'event-malformed',
      `update journal set events = json_remove(events, '$[0].at') where run_id = ${runOf('order-0')}`,
    ],
    [
      'the terminal event twice',
      'after-the-end',
      appendEvent('order-0', '{"type":"execution-completed","result":[1,"json",null,1]}'),
    ],
    [
      'another end after the end',
      'after-the-end',
      appendEvent('order-fail', '{"type":"execution-terminated","reason":"x"}'),
    ],
    [
      'a step after the end',
      'after-the-end',
      appendEvent('order-1', '{"type":"step-completed","op":9,"name":"x","result":[1,"json",null,1]}'),
    ],
    [
      'a completed one is reopened',
      'reopened-wrongly',
      appendEvent('order-1', '{"type":"execution-reopened","failedSeq":4}'),
    ],
    [
      'a step completes twice',
      'settled-twice',
      appendEvent(
        'order-wait',
        '{"type":"step-completed","op":2,"name":"charge","result":[1,"json",null,1]}',
      ),
    ],
    [
      'a child completes that was not started',
      'settled-unasked',
      appendEvent('order-wait', '{"type":"child-completed","op":7,"result":[1,"json",null,1]}'),
    ],
    ['a timer fires early', 'timer-early', appendEvent('order-wait', '{"type":"timer-fired","op":3}')],
    [
      'an update is answered that was not accepted',
      'settled-unasked',
      appendEvent('order-wait', '{"type":"update-completed","updateId":"u"}'),
    ],
    [
      'an attempt comes again',
      'attempt-repeated',
      appendEvent(
        'order-flaky',
        '{"type":"step-completed","op":3,"name":"invoice","result":[1,"json",null,1]}',
      ),
    ],
    [
      'it starts in the middle',
      'start-misplaced',
      `update journal set events = json_set(events, '$[0].type', 'patch-marked') where run_id = ${runOf('order-0')} and seq = 1`,
    ],
    [
      'time runs backwards',
      'time-decreases',
      `update journal set events = json_set(events, '$[0].at', 1) where run_id = ${runOf('order-fail')} and seq = ${lastEntry}`,
    ],
    [
      'the epoch decreases',
      'epoch-decreases',
      `update journal set epoch = 5 where run_id = ${runOf('order-flaky')} and seq = 1`,
    ],
    [
      'the status is another',
      'summary-differs',
      `update execution set status = 'completed' where run_id = ${runOf('order-fail')}`,
    ],
    [
      'the status is none',
      'summary-differs',
      `update execution set status = 'fine' where run_id = ${runOf('order-fail')}`,
    ],
    [
      'the end is another',
      'summary-differs',
      `update execution set closed_at = closed_at + 1 where run_id = ${runOf('order-0')}`,
    ],
    [
      'the attributes are others',
      'summary-differs',
      `update execution set attributes = json_set(attributes, '$.total', 99) where run_id = ${runOf('order-0')}`,
    ],
    [
      'the attributes are no JSON',
      'summary-differs',
      `update execution set attributes = '{' where run_id = ${runOf('order-0')}`,
    ],
    [
      'the version is another',
      'summary-differs',
      `update execution set version = '3' where run_id = ${runOf('order-0')}`,
    ],
    [
      'the shard is another',
      'summary-differs',
      `update execution set shard = (shard + 1) % 256 where run_id = ${runOf('order-0')}`,
    ],
    [
      'a closed one is active',
      'summary-differs',
      `update execution set active = 1 where run_id = ${runOf('order-0')}`,
    ],
    ['a summary is gone', 'summary-missing', `delete from execution where run_id = ${runOf('order-wait')}`],
    [
      'a closed one has a timer',
      'timer-of-closed',
      `insert into timer select day, run_id, 3, 0, shard from execution where run_id = ${runOf('order-0')}`,
    ],
    [
      'a timer of nothing',
      'timer-stray',
      `insert into timer select day, run_id, 77, 0, shard from execution where run_id = ${runOf('order-wait')}`,
    ],
    [
      'a timer is due at another time',
      'timer-stray',
      `update timer set due_at = due_at + 1 where run_id = ${runOf('order-wait')}`,
    ],
    ['an open one is not current', 'current-missing', `delete from current where workflow_id = 'order-wait'`],
    ['an id names no run', 'current-dangling', `delete from execution where run_id = ${runOf('order-1')}`],
    [
      'a child is gone',
      'child-lost',
      `delete from journal where run_id = ${runOf('order-ship-parcel')};
      delete from timer where run_id = ${runOf('order-ship-parcel')}; delete from execution where run_id = ${runOf('order-ship-parcel')}`,
    ],
    ['a message is unreadable', 'message-unreadable', `insert into outbox values (1, 2, 3, 'x')`],
    [
      'a message is for another shard',
      'message-unreadable',
      `insert into outbox values (1, 300, 3, '{"kind":"cancel","to":{"namespace":"default","workflowId":"a"}}')`,
    ],
    ['two sessions are not fenced', 'sessions-wrong', `update session set fenced_at = null`],
    ['a shard is missing', 'shards-wrong', `delete from shard where id = 7`],
    ['a shard belongs to an old session', 'shards-wrong', `update shard set session_id = 1 where id = 7`],
  ]
  for (const [how, code, sql] of cases) {
    test(`${how}: ${code}`, async () => {
      const copy = copyOf(file, 'changed')
      damage(copy, sql)
      const { code: exit, report } = await doctor(copy)
      const codes = report.findings.map((finding) => finding.code)
      assert.ok(codes.includes(code), `found ${codes.join(', ')}`)
      assert.equal(exit, 1)
      for (const { advice, detail } of report.findings) assert.ok(advice.length > 10 && detail.length > 5)
    })
  }

  test('findings name the execution, the run and the event, in words too', async () => {
    const copy = copyOf(file, 'named')
    damage(copy, appendEvent('order-0', '{"type":"execution-completed","result":[1,"json",null,1]}'))
    const { report } = await doctor(copy)
    assert.partialDeepStrictEqual(report.findings[0], {
      code: 'after-the-end',
      workflowId: 'order-0',
      seq: 5,
    })
    const { stdout, code } = await perdure(['doctor', copy])
    assert.equal(code, 1)
    assert.match(stdout, /^after-the-end\n {2}order-0, run \S+, event 5: execution-completed after/m)
    assert.match(stdout, /^ {2}→ No crash can do this/m)
    assert.match(stdout, /1 problem found\.\n$/)
  })

  test('many findings are counted, and the first of each kind are shown', async () => {
    const copy = copyOf(file, 'many')
    damage(copy, `update execution set version = '3'`)
    const { findings, findingCount } = await auditFile(copy, { keptPerCode: 4 })
    assert.deepEqual([findings.length, findingCount], [4, 11])
  })
})

describe('messages between executions', () => {
  const message = '{"kind":"cancel","to":{"namespace":"default","workflowId":"order-wait"},"reason":"x"}'
  const waiting = (): string => {
    const copy = copyOf(file, 'waiting')
    damage(
      copy,
      `insert into outbox select 0, shard, 1, '${message}' from execution where run_id = ${runOf('order-wait')}`,
    )
    return copy
  }

  test('those that wait for an engine are no problem', async () => {
    const { code, report } = await doctor(waiting())
    assert.equal(code, 0)
    assert.equal(report.checks.find(({ name }) => name === 'messages')?.level, 'note')
  })

  test('those of an earlier session are stuck if an engine has run for longer than a minute', async () => {
    const connection = openForTool(waiting())
    try {
      const rows = new StoreRows(connection.database)
      const codesAt = async (nowMs: number): Promise<FindingCode[]> =>
        (await auditStore(rows, { engineSinceMs: 1_000_000, nowMs })).findings.map(({ code }) => code)
      assert.deepEqual(await codesAt(1_050_000), [])
      assert.deepEqual(await codesAt(1_070_000), ['message-stuck'])
    } finally {
      connection.close()
    }
  })
})

function garbage(path: string, offset: number, bytes: number): void {
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, Buffer.alloc(bytes, 0xa5), 0, bytes, offset)
  } finally {
    closeSync(descriptor)
  }
}
