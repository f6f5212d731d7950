// What errors say: the hint fits where it appears, and code and hint are said once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, createWorker, silentLogger, task, workflow } from '../../src/index.ts'
import { double, gate, until } from '../tasks/task-fixtures.ts'

const unknown = task({ name: 'unknown', run: () => 0 })
const messageOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => assert.fail('it was not refused'),
    (error: Error) => error.message,
  )
const times = (text: string, part: string): number => text.split(part).length - 1

test('hints of tasks fit the call, and are said once', async () => {
  const { task: slow, open } = gate()
  await using engine = await createEngine({
    store: 'memory',
    tasks: [double, slow],
    shutdownGrace: 0,
    logger: silentLogger,
  })
  const completed = await engine.enqueue(double, 1)
  await completed.result()
  const retried = await messageOf(completed.retry())
  assert.match(
    retried,
    /is completed \(TASK_CLOSED\)\. The task has ended\. One that did not complete begins anew/,
  )
  const running = await engine.enqueue(slow, 'a')
  await until(() => open.length === 1)
  assert.match(
    await messageOf(running.delete()),
    /\(TASK_OPEN\)\. The task has not ended: wait for its end, or cancel it/,
  )
  await running.cancel()
  const cancelled = await messageOf(running.result())
  assert.deepEqual([times(cancelled, '(CANCELLED)'), times(cancelled, 'execution or scope')], [1, 0])
  const late = await engine.enqueue(unknown, undefined, { timeouts: { scheduleToStart: 1 } })
  const expired = await messageOf(late.result())
  assert.equal(times(expired, '(TASK_EXPIRED)'), 1, expired)
})

test('a duration that is none names its option, and one that is too long the longest', async () => {
  await using engine = await createEngine({ store: 'memory', tasks: [double] })
  const refused: [options: object, message: RegExp][] = [
    [{ debounce: { key: 'x' } }, /debounce.wait: undefined is not a duration/],
    [
      { delay: Number.POSITIVE_INFINITY },
      /delay: Infinity is longer than 9,000,000,000,000 ms \(285 years\)/,
    ],
    [{ timeouts: { startToClose: 'soon' } }, /timeouts.startToClose: "soon" is not a duration/],
    [{ retry: { initialInterval: -1 } }, /retry.initialInterval: -1 is not a duration/],
  ]
  for (const [options, message] of refused)
    await assert.rejects(engine.enqueue(double, 1, options as never), { code: 'DURATION_INVALID', message })
})

test('a worker that would take too many tasks is refused before it connects', async () => {
  await assert.rejects(createWorker({ url: 'ws://127.0.0.1:1', tasks: [double], concurrency: 1e9 }), {
    code: 'ARGUMENT_INVALID',
    message: /concurrency is 1000000000, not a whole number from 1 to 100000 /,
  })
})

test('an operation within a step parks the execution, and says where it was called', async () => {
  const nested = workflow({
    name: 'nested',
    run: (ctx) => ctx.step('outer', () => ctx.task(double, 1)),
  })
  await using engine = await createEngine({
    store: 'memory',
    tasks: [double],
    workflows: [nested],
    shutdownGrace: 0,
    logger: silentLogger,
  })
  const execution = await engine.start(nested)
  await until(async () => (await execution.describe()).status === 'parked')
  assert.match(
    (await execution.explain()).sentence,
    /ctx.task was called within a function of ctx.step, or after/,
  )
  await execution.terminate('enough')
})
