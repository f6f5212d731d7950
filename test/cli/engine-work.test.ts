/** `perdure tasks`, `perdure schedules` and `perdure bulk`, at an engine with access. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fulfilOrder } from './order-workflows.ts'
import { openRest, type RestFixture } from './rest-fixture.ts'
import { until } from './store-fixture.ts'

let on: RestFixture
before(async () => {
  on = await openRest()
})
after(() => on[Symbol.asyncDispose]())

describe('perdure tasks, of an engine', () => {
  test('one is enqueued once, its result printed, and it is listed as one of a store is', async () => {
    const line = `tasks enqueue send-letter --input '"ada"' --id letter-ada --key ada --priority 7`
    assert.equal(await on.said(line), 'letter-ada\n')
    assert.match((await on.run(line)).stderr, /existed/)
    assert.match(await on.said('tasks result letter-ada'), /sent to ada|ada/)
    const [shown] = await on.json('tasks show letter-ada')
    assert.deepEqual([shown?.status, shown?.priority, shown?.key], ['completed', 7, 'ada'])
    const [listed] = await on.json('tasks')
    const [stored] = await on.json(`tasks --store sqlite:${join(on.directory, 'engine.db')}`)
    assert.deepEqual(listed, stored)
    assert.match(await on.said('tasks --status completed --queue default'), /^letter-ada +send-letter /m)
    await on.said('tasks delete letter-ada')
    await on.refused('tasks show letter-ada', 1, /TASK_NOT_FOUND/)
  })

  test('one that failed: why, again, and all of them after they were counted', async () => {
    for (const id of ['n-1', 'n-2', 'n-3'])
      await on.said(`tasks enqueue send-letter --input '"nobody"' --id ${id} --attempts 1`)
    const failed = await on.run('tasks result n-1')
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /task n-1 is failed\n.*no such street/)
    for (const id of ['n-2', 'n-3']) await on.run(`tasks result ${id}`)
    assert.equal(await on.said('tasks retry n-1'), 'task n-1 begins anew\n')
    await on.run('tasks result n-1')
    await on.refused('tasks retry-all', 2, /neither a filter nor --all/)
    await on.refused('tasks retry-all --all --id n-', 2, /--all is given with a filter/)
    await on.refused(
      'tasks retry-all --status delayed',
      2,
      /'delayed' is not what can be retried One of: .*failed/,
    )
    const counted = await on.run('tasks retry-all --id n-')
    assert.equal(counted.stdout, '3 tasks would begin anew\n')
    assert.match(counted.stderr, /Nothing is done yet: give the same line with --yes/)
    assert.deepEqual(await on.json('tasks retry-all --id n- --yes'), [{ retried: 3 }])
  })

  test('one that waits is explained, given another priority, and cancelled', async () => {
    await on.said(`tasks enqueue send-letter --queue closed --input '"eve"' --id letter-eve --delay 0s`)
    assert.match(await on.said('tasks explain letter-eve'), /paused/)
    assert.match(await on.said('queues explain closed'), /paused/)
    await on.said(`queues set closed --policy '{"name":"round-robin","weights":{"ada":3}}' --rate 5/20`)
    await on.refused('queues set closed --rate 1 --if-revision 0', 1, /REVISION_CONFLICT/)
    await on.refused('queues explain closed --watch', 2, /--watch without --json is for a terminal/)
    await on.refused('queues pause closed --rate 5', 2, /--rate is not for perdure queues pause/)
    await on.refused('queues --if-revision 1', 2, /--if-revision is not for perdure queues list/)
    await on.refused('queues pause closed --watch', 2, /--watch does not repeat 'pause'/)
    await on.said('tasks prioritise letter-eve 9')
    await on.refused('tasks prioritise letter-eve high', 2, /PRIORITY high is not a number from 0 to 9/)
    assert.equal((await on.json('tasks show letter-eve'))[0]?.priority, 9)
    await on.said('tasks cancel letter-eve --reason moved')
    await on.refused('tasks cancel letter-eve', 1, /TASK_CLOSED/)
    await on.refused('tasks --status wating', 2, /Did you mean waiting\?/)
    await on.refused('tasks enqueue x --delay soon', 2, /--delay soon is no duration/)
  })

  test('claimed, kept, and completed from outside; the token stays in the file', async () => {
    const claimed = async (id: string): Promise<string> => {
      await on.said(`tasks enqueue by-hand --queue hand --id ${id} --input '{"n":1}'`)
      const line = await on.said('tasks claim hand --task by-hand --wait 30s')
      writeFileSync(join(on.directory, 'claim.json'), line)
      return line
    }
    assert.partialDeepStrictEqual(JSON.parse(await claimed('h-1')), { id: 'h-1', input: { n: 1 } })
    assert.match(await on.said(`tasks heartbeat claim.json --checkpoint '{"at":1}'`), /told: heartbeat/)
    assert.equal(await on.said(`tasks complete claim.json --result '{"ok":true}'`), 'told: complete\n')
    assert.deepEqual(await on.json('tasks result h-1'), [
      { id: 'h-1', status: 'completed', result: { ok: true } },
    ])
    await claimed('h-2')
    await on.said(`tasks fail claim.json --message 'no such street' --no-retry`)
    assert.equal((await on.json('tasks show h-2'))[0]?.status, 'failed')
    await claimed('h-3')
    await on.said('tasks return claim.json')
    assert.equal((await on.json('tasks show h-3'))[0]?.status, 'waiting')
    await on.refused('tasks complete claim.json', 1, /CLAIM_LOST/)
    writeFileSync(join(on.directory, 'no.json'), '"pdk"')
    await on.refused('tasks complete no.json', 2, /no\.json holds no claim in its first line/)
    await on.refused('tasks complete --result -', 2, /both come from standard input/)
    await on.refused('tasks claim hand', 2, /--task is missing/)
  })
})

describe('perdure schedules, of an engine', () => {
  test('made, shown, changed, paused, triggered, backfilled, deleted', async () => {
    const settings = `--workflow fulfil-order --version 2 --input '{"customer":"ada","total":1}'`
    await on.said(`schedules create nightly ${settings} --cron '30 2 * * *' --timezone Europe/Berlin`)
    await on.refused(`schedules create nightly ${settings} --every 1h`, 1, /SCHEDULE_EXISTS/)
    await on.said(`schedules create nightly ${settings} --every 1h --replace`)
    await on.said('schedules update nightly --every 30m --overlap allow')
    assert.match(await on.said('schedules'), /^nightly +every 30m +\d{4}-/m)
    await on.said('schedules pause nightly --reason audit')
    assert.equal((await on.json('schedules'))[0]?.paused, 'audit')
    const id = (await on.said('schedules trigger nightly --request-id first')).trim()
    await on.engine.execution(fulfilOrder, id).result()
    assert.match(await on.said('schedules show nightly'), /^nextTimes +\d{4}-/m)
    await on.said('schedules backfill nightly --from 1h')
    await on.said('schedules resume nightly')
    const [shown] = await on.json('schedules show nightly')
    assert.partialDeepStrictEqual(shown, { id: 'nightly', spec: { overlap: 'allow' } })
    await on.said('schedules delete nightly')
    await on.refused('schedules trigger nightly', 1, /SCHEDULE_NOT_FOUND/)
    for (const [line, says] of [
      [`create x --every 1h`, /--workflow is missing/],
      [`create x ${settings}`, /its times are missing/],
      [`create x ${settings} --every 1h --cron @daily`, /--cron and --every are given/],
      [`create x ${settings} --every 1h --timezone UTC`, /--timezone belongs to --cron/],
      [`create x ${settings} --every 1h --overlap skp`, /Did you mean skip\?/],
      ['update x', /nothing is to be changed/],
      [`create x ${settings} --every 500ms`, /--every 500ms is less than 1s/],
      [`create x ${settings} --every 1h --to 30d`, /--to 30d is no time of a schedule/],
      ['update x --from 1h', /--from 1h is no time of a schedule/],
      ['backfill x', /--from is missing/],
      ['delete x --store sqlite:x.db', /--store is not for perdure schedules delete/],
    ] as const)
      await on.refused(`schedules ${line}`, 2, says)
  })
})

describe('perdure bulk', () => {
  test('counted first; done with --yes, to those that the filter selects', async () => {
    for (const i of [1, 2, 3])
      await on.engine.start(fulfilOrder, { customer: 'eve', total: i, fate: 'wait' }, { id: `eve-${i}` })
    const open = async (): Promise<number> =>
      (await on.engine.list({ status: ['running'], attributes: { customer: 'eve' } })).executions.length
    await until(async () => (await open()) === 3)
    await on.refused('bulk cancel', 2, /neither a filter nor --all/)
    const counted = await on.run('bulk terminate --attribute customer=eve')
    assert.deepEqual([counted.code, counted.stdout], [0, '3 executions would be terminated\n'])
    assert.equal(await open(), 3)
    await on.said('bulk signal approved --attribute customer=nobody --yes')
    assert.deepEqual(await on.json('bulk terminate --attribute customer=eve --reason test --yes'), [
      { count: 3, isDone: true, failedCount: 0, failed: [] },
    ])
    assert.equal(await open(), 0)
    assert.deepEqual(await on.json('bulk delete --status terminated --since 1h'), [
      { count: 3, isDone: false },
    ])
    assert.equal(await on.said('bulk delete --status terminated --yes'), '3 executions are deleted\n')
    await on.refused('bulk', 2, /ACTION is missing/)
    await on.refused('bulk retry --status faild', 2, /Did you mean failed\?/)
  })

  test('what could not be done is counted, also what is not told one by one', async () => {
    for (let i = 0; i < 22; i++) {
      const execution = await on.engine.start(fulfilOrder, { customer: 'kim', total: i }, { id: `kim-${i}` })
      await execution.result()
    }
    const line = 'bulk cancel --attribute customer=kim --status completed --yes'
    const { code, stdout, stderr } = await on.run(line)
    assert.deepEqual([code, stdout], [1, '0 executions are asked to stop\n'])
    assert.equal(stderr.match(/EXECUTION_CLOSED/g)?.length, 20)
    assert.match(stderr, /^and 2 more$/m)
    const [done] = (await on.run(`${line} --json`)).stdout.split('\n')
    assert.partialDeepStrictEqual(JSON.parse(done ?? ''), { count: 0, failedCount: 22 })
  })

  test('attributes: numbers as they are written, other digits and what is quoted as texts', async () => {
    const attributes =
      '--attribute total=12 --attribute zip=00123 --attribute hash=12e4 --attribute customer="7"'
    const long = '--attribute account=12345678901234567890'
    await on.said(`run ship --id digits --input 1 ${attributes} ${long}`)
    const [listed] = await on.json('list --attribute zip=00123')
    assert.partialDeepStrictEqual(listed?.attributes, {
      total: 12,
      zip: '00123',
      hash: '12e4',
      customer: '7',
      account: '12345678901234567890',
    })
    for (const [filter, count] of [
      ['customer="7"', 1],
      ['customer=7', 0],
      ['total=12', 1],
      ['zip=00123', 1],
    ] as const)
      assert.equal((await on.json(`bulk terminate --attribute ${filter}`))[0]?.count, count, filter)
    assert.equal((await on.json('list --attribute total="12"')).length, 0)
    await on.said('bulk terminate --attribute zip=00123 --yes')
  })
})
