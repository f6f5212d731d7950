/** `perdure doctor` on PostgreSQL: a sound database, also while nodes run, and damages of many kinds, each of which is found. */
import assert from 'node:assert/strict'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Check } from '../../src/cli/doctor/check.ts'
import type { Finding, FindingCode } from '../../src/cli/doctor/finding.ts'
import { createEngine, silentLogger, task, workflow } from '../../src/index.ts'
import { memoryFolder } from '../memory-folder.ts'
import { PostgresServer } from '../postgres/server.ts'
import { fillWithOrders, perdure } from './store-fixture.ts'

interface Report {
  readonly ok: boolean
  readonly database: string
  readonly checks: readonly Check[]
  readonly counts: Record<string, number> | null
  readonly findingCount: number
  readonly findings: readonly (Finding & { readonly advice: string })[]
}

const approve = workflow({
  name: 'approve',
  run: async (ctx) => {
    await ctx.approval({ title: 'approve', approvers: ['ann', { groups: ['managers'] }] })
  },
})
const letter = task({ name: 'letter', run: (_, to: string) => to })

const runOf = (id: string): string => `(select run_id from perdure.current where workflow_id = '${id}')`
const lastOf = (id: string): string => `(select max(seq) from perdure.journal where run_id = ${runOf(id)})`
/** Changes the first event of an entry. */
const eventOf = (id: string, change: string, seq = '1'): string =>
  `update perdure.journal set events = ${change} where run_id = ${runOf(id)} and seq = ${seq}`
const append = (id: string, event: string): string => `
  insert into perdure.journal select day, run_id, max(seq + count), max(epoch), 1, 1,
    jsonb_build_array(jsonb_set('${event}', '{at}', to_jsonb((select max(at) from perdure.commit))))::text
  from perdure.journal where run_id = ${runOf(id)} group by day, run_id`

describe('perdure doctor on PostgreSQL', () => {
  let server: PostgresServer
  let orders = ''
  before(async () => {
    // With `fsync` on, which is looked at here.
    server = await PostgresServer.start({ within: memoryFolder() })
    const { name, url } = await server.createDatabase()
    orders = name
    await fillWithOrders(url)
    const engine = await createEngine({
      store: url,
      workflows: [approve],
      tasks: [],
      queues: [{ name: 'closed', paused: true }],
      logger: silentLogger,
      shutdownGrace: 0,
    })
    await engine.start(approve, undefined, { id: 'approve-1' })
    await engine.enqueue(letter, 'ada', { id: 'letter-ada', queue: 'closed' })
    await engine.enqueue(letter, 'bob', { id: 'letter-bob', queue: 'closed', delay: '2h' })
    await engine.queues.pause('mail', 'the provider is down')
    await engine.schedules.create('nightly', { cron: '@daily' }, { workflow: approve })
    while ((await engine.people.list()).tasks.length === 0) await new Promise((wake) => setTimeout(wake, 5))
    await engine.close()
  })
  after(() => server[Symbol.asyncDispose]())

  async function doctor(url: string): Promise<{ readonly code: number | null; readonly report: Report }> {
    const { code, stdout, stderr } = await perdure(['doctor', '--json'], { env: { PERDURE_STORE: url } })
    assert.equal(stderr, '')
    return { code, report: JSON.parse(stdout) }
  }
  const problemsOf = ({ checks }: Report): string[] =>
    checks.filter(({ level }) => level === 'problem').map(({ name }) => name)
  /** A copy for one test to damage. */
  async function damaged(sql: string): Promise<{ readonly name: string; readonly url: string }> {
    const copy = await server.createDatabase(orders)
    await server.query(sql, [], copy.name)
    return copy
  }

  test('a sound database: exit code 0, and what it holds', async () => {
    const { code, report } = await doctor(server.url(orders))
    assert.deepEqual([problemsOf(report), report.findings, code, report.ok], [[], [], 0, true])
    assert.partialDeepStrictEqual(report.counts, {
      executions: 12,
      tasks: 2,
      schedules: 1,
      queueSettings: 1,
      humanTasks: 1,
    })
    const { stdout } = await perdure(['doctor', server.url(orders)], { columns: 80 })
    assert.match(stdout, /Everything is in order\.\n$/)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
  })

  test('while an engine works: still sound, and what it does is not in the way', async () => {
    const { name, url } = await server.createDatabase(orders)
    const quick = workflow({ name: 'quick', run: (ctx, n: number) => ctx.step('add', () => n + 1) })
    const engine = await createEngine({
      store: url,
      workflows: [quick],
      logger: silentLogger,
      shutdownGrace: 0,
    })
    let isOver = false
    const work = (async () => {
      for (let i = 0; !isOver; i++) await (await engine.start(quick, i, { id: `quick-${i}` })).result()
    })()
    try {
      for (let round = 0; round < 2; round++) {
        const { code, report } = await doctor(url)
        assert.deepEqual([problemsOf(report), report.findings, code], [[], [], 0])
        assert.ok(report.checks.some(({ name: check, level }) => check === 'engine' && level === 'ok'))
      }
    } finally {
      isOver = true
      await work
      await engine.close()
      await server.dropDatabase(name)
    }
  })

  const cases: [how: string, code: FindingCode, sql: string][] = [
    [
      'the first row of a journal is gone',
      'sequence-gap',
      `delete from perdure.journal where run_id = ${runOf('order-1')} and seq = 1`,
    ],
    [
      'the last row is gone',
      'summary-differs',
      `delete from perdure.journal where run_id = ${runOf('order-fail')} and seq = ${lastOf('order-fail')}`,
    ],
    [
      'all rows are gone',
      'journal-missing',
      `delete from perdure.journal where run_id = ${runOf('order-fail')}`,
    ],
    [
      'a gap in the numbers',
      'sequence-gap',
      `update perdure.journal set seq = seq + 3 where run_id = ${runOf('order-fail')} and seq > 1`,
    ],
    [
      'a row says another count',
      'entry-count',
      `update perdure.journal set count = count + 1 where run_id = ${runOf('order-fail')} and seq = ${lastOf('order-fail')}`,
    ],
    [
      'two rows are swapped',
      'start-misplaced',
      `update perdure.journal as t set events = other.events, count = other.count from perdure.journal as other
      where t.run_id = ${runOf('order-fail')} and other.run_id = t.run_id and t.seq in (1, ${lastOf('order-fail')})
        and other.seq in (1, ${lastOf('order-fail')}) and other.seq <> t.seq`,
    ],
    [
      'the journals of two runs are swapped',
      'summary-differs',
      `update perdure.journal as t set events = other.events, count = other.count from perdure.journal as other
      where t.seq = 1 and other.seq = 1 and (t.run_id, other.run_id) in
        ((${runOf('order-0')}, ${runOf('order-1')}), (${runOf('order-1')}, ${runOf('order-0')}))`,
    ],
    ['a row is no JSON', 'entry-unreadable', eventOf('order-0', 'left(events, 20)')],
    ['a row is no list', 'entry-unreadable', eventOf('order-0', "'{}'")],
    [
      'a row has another format',
      'event-newer',
      `update perdure.journal set format = 2 where run_id = ${runOf('order-0')}`,
    ],
    ['an event of a newer version', 'event-newer', append('order-wait', '{"type":"step-completed","v":2}')],
    ['an event of no known type', 'event-malformed', append('order-wait', '{"type":"step-exploded"}')],
    ['an event without a time', 'event-malformed', eventOf('order-0', "(events::jsonb #- '{0,at}')::text")],
    [
      'the terminal event twice',
      'after-the-end',
      append('order-0', '{"type":"execution-completed","result":[1,"json",null,1]}'),
    ],
    [
      'a completed one is reopened',
      'reopened-wrongly',
      append('order-1', '{"type":"execution-reopened","failedSeq":4}'),
    ],
    [
      'a step completes twice',
      'settled-twice',
      append('order-wait', '{"type":"step-completed","op":2,"name":"charge","result":[1,"json",null,1]}'),
    ],
    [
      'a child completes that was not started',
      'settled-unasked',
      append('order-wait', '{"type":"child-completed","op":7,"result":[1,"json",null,1]}'),
    ],
    ['a timer fires early', 'timer-early', append('order-wait', '{"type":"timer-fired","op":3}')],
    [
      'time runs backwards',
      'time-decreases',
      eventOf('order-fail', "jsonb_set(events::jsonb, '{0,at}', '1')::text", lastOf('order-fail')),
    ],
    [
      'the epoch decreases',
      'epoch-decreases',
      `update perdure.journal set epoch = 500 where run_id = ${runOf('order-flaky')} and seq = 1`,
    ],
    [
      'the status is another',
      'summary-differs',
      `update perdure.execution set status = 'completed' where run_id = ${runOf('order-fail')}`,
    ],
    [
      'the attributes are no JSON',
      'summary-differs',
      `update perdure.execution set attributes = '{' where run_id = ${runOf('order-0')}`,
    ],
    [
      'the shard is another',
      'summary-differs',
      `update perdure.execution set shard = (shard + 1) % 256 where run_id = ${runOf('order-0')}`,
    ],
    [
      'the day is another',
      'journal-missing',
      `update perdure.execution set day = day - 1 where run_id = ${runOf('order-0')}`,
    ],
    [
      'a summary is gone',
      'summary-missing',
      `delete from perdure.execution where run_id = ${runOf('order-wait')}`,
    ],
    [
      'a closed one has a timer',
      'timer-of-closed',
      `insert into perdure.timer select day, run_id, 3, 0, shard from perdure.execution where run_id = ${runOf('order-0')}`,
    ],
    [
      'a timer is due at another time',
      'timer-stray',
      `update perdure.timer set due_at = due_at + 1 where run_id = ${runOf('order-wait')}`,
    ],
    [
      'an open one is not current',
      'current-missing',
      `delete from perdure.current where workflow_id = 'order-wait'`,
    ],
    [
      'an id names no run',
      'current-dangling',
      `delete from perdure.execution where run_id = ${runOf('order-1')}`,
    ],
    [
      'a child is gone',
      'child-lost',
      `delete from perdure.journal where run_id = ${runOf('order-ship-parcel')};
      delete from perdure.timer where run_id = ${runOf('order-ship-parcel')}; delete from perdure.execution where run_id = ${runOf('order-ship-parcel')}`,
    ],
    ['a message is unreadable', 'message-unreadable', `insert into perdure.outbox values (1, 2, 3, 'x')`],
    ['a task is unreadable', 'task-unreadable', `update perdure.task set spec = '{' where id = 'letter-ada'`],
    [
      'a task waits in no lane',
      'task-lane',
      `update perdure.task set lane = 'nowhere' where id = 'letter-ada'`,
    ],
    [
      'a task is due at another time',
      'task-due',
      `update perdure.task set due_at = due_at + 1 where id = 'letter-bob'`,
    ],
    ['a schedule is unreadable', 'schedule-unreadable', `update perdure.schedule set state = '{'`],
    ['a schedule is due at another time', 'schedule-row', 'update perdure.schedule set due_at = due_at + 1'],
    ['settings of a queue are unreadable', 'queue-setting', `update perdure.queue_setting set setting = '{'`],
    [
      'an administrative object has no revision',
      'registry-row',
      "insert into perdure.registry values ('policy', '', 'a', 1, 1, 'r', '{}'), ('policy', 'n', 'a', 0, 1, 'r', null)",
    ],
    [
      'a row of the audit trail is gone',
      'audit-gap',
      "insert into perdure.audit select 1, seq, 1, '', '{}', '' from unnest(array[1, 2, 4]) as seq",
    ],
    ['a human task is in no inbox', 'inbox-differs', 'delete from perdure.human_offer'],
    ['a human task is gone', 'inbox-differs', 'delete from perdure.human_task'],
    [
      'a human task of no run',
      'inbox-differs',
      `insert into perdure.human_offer values ('default', 'u:ann', 'a', 'none', 1)`,
    ],
    ['a shard is missing', 'shards-wrong', 'delete from perdure.shard where id = 7'],
    [
      'a shard belongs to no session',
      'shards-wrong',
      'update perdure.shard set session_id = 999 where id = 7',
    ],
  ]
  for (const [how, code, sql] of cases) {
    test(`${how}: ${code}`, async () => {
      const { name, url } = await damaged(sql)
      const { code: exit, report } = await doctor(url)
      const codes = report.findings.map((finding) => finding.code)
      assert.ok(codes.includes(code), `found ${codes.join(', ')}`)
      assert.equal(exit, 1)
      for (const { advice, detail } of report.findings) assert.ok(advice.length > 10 && detail.length > 5)
      await server.dropDatabase(name)
    })
  }

  const troubles: [name: string, sql: string, says: RegExp][] = [
    ['schema', "update perdure.meta set value = 99 where key = 'schema_version'", /version 99/],
    ['schema', 'drop schema perdure cascade', /holds no perdure store/],
    [
      'synchronous_commit',
      "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$",
      /lost with a crash/,
    ],
    ['clock', "update perdure.meta set value = 9e12 where key = 'clock_floor'", /in the future/],
    [
      'indexes',
      "update pg_index set indisvalid = false where indexrelid = 'perdure.timer_due'::regclass",
      /timer_due/,
    ],
  ]
  for (const [name, sql, says] of troubles) {
    test(`of the database: ${name}, ${says.source}`, async () => {
      const copy = await damaged(sql)
      const { code, report } = await doctor(copy.url)
      assert.equal(code, 1)
      const check = report.checks.find((each) => each.name === name && each.level === 'problem')
      assert.match(check?.says ?? '', says)
      assert.ok((check?.advice ?? '').length > 10)
      await server.dropDatabase(copy.name)
    })
  }

  test('settings under which a crash damages what was acknowledged', async () => {
    for (const setting of ['fsync', 'full_page_writes', 'autovacuum']) {
      await server.query(`alter system set ${setting} = off`)
      await server.query('select pg_reload_conf()')
      const isOff = async (): Promise<boolean> =>
        (await server.query(`show ${setting}`))[0]?.[setting] === 'off'
      while (!(await isOff())) await new Promise((wake) => setTimeout(wake, 5))
      const { code, report } = await doctor(server.url(orders))
      assert.deepEqual([code, problemsOf(report)], [1, [setting]])
      await server.query(`alter system reset ${setting}`)
      await server.query('select pg_reload_conf()')
      while (await isOff()) await new Promise((wake) => setTimeout(wake, 5))
    }
  })

  test('while an engine runs: a session that nobody ends, and a shard that nobody has', async () => {
    const { name, url } = await server.createDatabase(orders)
    const engine = await createEngine({ store: url, logger: silentLogger, shutdownGrace: 0 })
    await server.query(
      `insert into perdure.session (incarnation, node, heartbeat_at) values ('x', 'ghost:1', 1);
       update perdure.shard set session_id = null where id = 9`,
      [],
      name,
    )
    const { code, report } = await doctor(url)
    await engine.close()
    assert.deepEqual([code, problemsOf(report)], [1, ['sessions', 'shards']])
    assert.match(JSON.stringify(report.checks), /ghost:1/)
    await server.dropDatabase(name)
  })

  test('requests that have failed are told, and are no problem', async () => {
    const copy = await damaged(`
      insert into perdure.request (kind, namespace, target, name, payload_bytes, options, failed_at, error)
      values ('start', 'default', 'a', 'b', 0, '{}', now(), 'no')`)
    const { code, report } = await doctor(copy.url)
    assert.equal(code, 0)
    assert.match(report.checks.find(({ name }) => name === 'requests')?.says ?? '', /1 have failed for good/)
  })

  test('a server that does not answer, and a database that is not there', async () => {
    for (const url of ['postgres://ann:secret@127.0.0.1:1/orders', server.url('nothing')]) {
      const { code, report } = await doctor(url)
      assert.deepEqual([code, problemsOf(report)], [1, ['database']])
      assert.doesNotMatch(JSON.stringify(report), /secret/)
    }
  })

  test('--quick, and a store that is named twice, are refused', async () => {
    const quick = await perdure(['doctor', '--quick', '--store', server.url(orders)])
    assert.deepEqual([quick.code, /--quick is for files/.test(quick.stderr)], [2, true])
    const twice = await perdure(['doctor', server.url(orders), '--store', server.url(orders)])
    assert.equal(twice.code, 2)
  })

  // The last one: the server is restarted.
  test('a page of the journal is garbage: what can be read is checked, the rest is named', async () => {
    const copy = await damaged('checkpoint')
    const [row] = await server.query(
      `select pg_relation_filepath(child.oid) as path from pg_class as child
       where relname ~ '^journal_[0-9]+$' and pg_relation_size(oid) > 0 and relkind = 'r'`,
      [],
      copy.name,
    )
    await server.stop()
    const descriptor = openSync(join(server.data, String(row?.path)), 'r+')
    try {
      writeSync(descriptor, Buffer.alloc(64, 0xa5), 0, 64, 0)
    } finally {
      closeSync(descriptor)
    }
    await server.start()
    const { code, report } = await doctor(copy.url)
    assert.equal(code, 1)
    assert.ok(report.findings.some((finding) => finding.code === 'rows-unreadable'))
    assert.equal(report.counts?.tasks, 2)
  })
})
