/** `perdure show` and `perdure history` on a real file. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  copyOf,
  damage,
  makeOrders,
  type ProgramSettings,
  perdure,
  temporaryDirectory,
} from './store-fixture.ts'

const directory = temporaryDirectory()
let file = ''
before(async () => {
  file = await makeOrders(directory.path)
})
after(() => directory.remove())

describe('perdure show', () => {
  const show = (args: readonly string[], settings: ProgramSettings = {}) =>
    perdure(['show', ...args, '--store', file], settings)
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await show([...args, '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  test('a completed execution: summary, attributes, input, result', async () => {
    const { stdout, code } = await show(['order-1'])
    assert.equal(code, 0)
    assert.match(stdout, /^order-1\n {2}status {6}completed\n {2}workflow {4}fulfil-order version 2\n/)
    assert.match(stdout, /Attributes\n {2}customer = "bob"\n {2}total = 10\n/)
    assert.match(stdout, /Input\n {2}\{ customer: 'bob', total: 10 \}/)
    assert.match(
      stdout,
      /Result\n {2}\{ payment: \{ id: 'pay-1', at: 1970-01-01T00:00:00.000Z \}, total: 10 \}/,
    )
    assert.doesNotMatch(stdout, /What to do|Pending/)
  })

  test('a failed one: the chain of causes, and that it can be retried', async () => {
    const { stdout } = await show(['order-fail'])
    assert.match(stdout, /Failure\n {2}NonRetryableError: printer on fire\n {6}at /)
    assert.match(stdout, /\n {2}caused by: Error: no paper\n/)
    assert.match(stdout, /What to do\n {2}Mend the cause; then execution.retry\(\)/)
    const { failure, result } = await json('order-fail')
    assert.equal(failure.cause.message, 'no paper')
    assert.equal(result, null)
  })

  test('a wait with a time limit, and one that a signal has answered', async () => {
    const waiting = await json('order-wait')
    assert.partialDeepStrictEqual(waiting.pending, [{ op: 3, kind: 'wait', name: 'approved' }])
    const signalled = await json('order-signalled')
    assert.partialDeepStrictEqual(signalled.pending, [{ op: 4, kind: 'sleep' }])
    assert.equal(signalled.pending.length, 1)
    assert.partialDeepStrictEqual(signalled.signals, [{ name: 'approved', payload: { by: 'bob' } }])
  })

  test('a step between two attempts', async () => {
    const { stdout } = await show(['order-flaky'], { columns: 120 })
    assert.match(
      stdout,
      /#3 {2}step {2}invoice {2}attempt 1 failed, next .* in (59m|1h).*: Error: 503 from the shop/,
    )
  })

  test('a parent with an open child and a deadline, and the child', async () => {
    const { pending } = await json('order-ship')
    assert.partialDeepStrictEqual(pending, [
      { kind: 'deadline' },
      { op: 3, kind: 'child', name: 'ship', child: { id: 'order-ship-parcel' } },
    ])
    assert.equal((await json('order-ship-parcel')).parent.id, 'order-ship')
  })

  test('a delayed start', async () => {
    const { stdout } = await show(['order-later'], { columns: 100 })
    assert.match(stdout, /start {2}start of the workflow code {2}due .*, in 2h 59m/)
  })

  test('a parked one: why, and what to do', async () => {
    const { stdout } = await show(['order-parked'])
    assert.match(stdout, /Parked because\n {2}PerdureError \[EXECUTION_PARKED\]: no code is registered/)
    assert.match(stdout, /Register the workflow version/)
    assert.match(stdout, /No engine runs on this file/)
  })

  test('a run id names its execution too; --run must belong to the id', async () => {
    const { runId } = await json('order-1')
    assert.equal((await json(runId)).id, 'order-1')
    assert.equal((await json('order-1', '--run', runId)).id, 'order-1')
    const { code, stderr } = await show(['order-2', '--run', runId])
    assert.equal(code, 1)
    assert.match(stderr, /there is no run \S+ of order-2/)
  })

  test('an unknown id is an error without a stack', async () => {
    const { code, stdout, stderr } = await show(['nobody'])
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /^perdure: there is no nobody in namespace default/)
    assert.doesNotMatch(stderr, / at .*\.ts/)
    const debug = await show(['nobody'], { env: { PERDURE_DEBUG: '1' } })
    assert.match(debug.stderr, / at .*execution-rows\.ts/)
  })

  test('long values are cut, and whole with --full', async () => {
    const copy = copyOf(file, 'long')
    const input = JSON.stringify(Array.from({ length: 300 }, (_, i) => `item ${i}`))
    damage(
      copy,
      `update journal set events = json_set(events, '$[0].input[3]', json('${input}'))
      where run_id = (select run_id from current where workflow_id = 'order-1') and seq = 1`,
    )
    const short = await perdure(['show', 'order-1', '--store', copy])
    assert.match(short.stdout, /more (items|lines)/)
    assert.doesNotMatch(short.stdout, /item 299/)
    const full = await perdure(['show', 'order-1', '--store', copy, '--full'])
    assert.match(full.stdout, /item 299/)
  })

  test('control characters in stored texts do not reach the terminal', async () => {
    const copy = copyOf(file, 'control')
    damage(
      copy,
      `update current set workflow_id = 'a' || char(27) || '[2J' where workflow_id = 'order-1';
      update execution set workflow_id = 'a' || char(27) || '[2J' where workflow_id = 'order-1'`,
    )
    const { stdout } = await perdure(['list', '--store', copy])
    assert.ok(!stdout.includes('\u001b'))
    assert.match(stdout, /a\\u\{1b\}\[2J/)
  })

  test('a damaged journal is told, and doctor is named', async () => {
    const copy = copyOf(file, 'damaged')
    damage(
      copy,
      `delete from journal where seq = 1 and run_id = (select run_id from current where workflow_id = 'order-1')`,
    )
    const { code, stderr } = await perdure(['show', 'order-1', '--store', copy])
    assert.equal(code, 1)
    assert.match(stderr, /damaged: event 1 is\s+missing[\s\S]*perdure\s+doctor/)
  })
})

describe('perdure history', () => {
  const history = (args: readonly string[], settings: ProgramSettings = {}) =>
    perdure(['history', ...args, '--store', file], settings)

  test('events with time, delta and details, within the width', async () => {
    const { stdout, code } = await history(['order-fail'], { columns: 90 })
    assert.equal(code, 0)
    assert.match(stdout, /^SEQ +TIME +\+ +EVENT +DETAILS$/m)
    assert.match(stdout, /^ +3 +\d\d:\d\d:\d\d\.\d{3} +\d+ms +step-completed +#2 charge +\{ id: 'pay-1'/m)
    assert.match(stdout, /^ +4 .* step-failed +#3 label attempt 1 +NonRetryable/m)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 90, line)
  })

  test('full events as JSON lines, numbered without gaps', async () => {
    const { stdout } = await history(['order-fail', '--json'])
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      events.map(({ seq, event }) => [seq, event.type]),
      [
        [1, 'execution-started'],
        [2, 'attributes-set'],
        [3, 'step-completed'],
        [4, 'step-failed'],
        [5, 'execution-failed'],
      ],
    )
    assert.equal(events[3].event.failure.cause.message, 'no paper')
  })

  test('--after shows the rest, with the delta to the event before', async () => {
    const { stdout } = await history(['order-fail', '--after', '3', '--json'])
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).seq),
      [4, 5],
    )
    const table = await history(['order-fail', '--after', '4'])
    assert.match(table.stdout, /^ +5 +[\d:.]+ +\d+ms +execution-failed/m)
  })

  test('a missing operand is a usage error', async () => {
    const { code, stderr } = await perdure(['history'])
    assert.equal(code, 2)
    assert.match(stderr, /ID is missing/)
  })
})
