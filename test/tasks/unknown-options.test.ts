// What programs without types may misspell: it is refused, with the names that there are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { task } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { double } from './task-fixtures.ts'

/** Without types, as a JavaScript program calls it. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point
const untyped = (options: object): any => options

test('options of tasks that do not exist are refused, and nothing is enqueued', async () => {
  await using engine = await createTestEngine({ tasks: [double] })
  const refused = async (call: Promise<unknown>, message: RegExp): Promise<void> =>
    assert.rejects(call, { code: 'ARGUMENT_INVALID', message })
  const names =
    /enqueue\(\) has no option 'priorty'; there are id, queue, key, priority, estimateMs, requires, affinity, delay/
  await refused(engine.enqueue(double, 1, untyped({ priorty: 3 })), names)
  await refused(engine.enqueueMany(double, [1, 2], untyped({ priorty: 3 })), names)
  await refused(
    engine.enqueueMany(double, [1, 2], (n) => untyped(n === 2 ? { priorty: 3 } : {})),
    names,
  )
  // A name that every object has is no option either.
  await refused(engine.enqueue(double, 1, untyped({ constructor: 1 })), /no option 'constructor'/)
  await refused(
    engine.enqueue(double, 1, untyped({ timeouts: { scheduleToclose: '1s' } })),
    /there is no time limit 'scheduleToclose' of a task; there are scheduleToStart, startToClose/,
  )
  await refused(
    engine.enqueue(double, 1, untyped({ retry: { attempts: 1 } })),
    /retry has no option 'attempts'/,
  )
  await refused(engine.listTasks(untyped({ statuses: ['failed'] })), /listTasks\(\) has no option 'statuses'/)
  assert.deepEqual((await engine.listTasks()).tasks, [])
})

test('settings of a task that do not exist are refused', () => {
  assert.throws(() => task(untyped({ name: 'a', run: () => 1, timeout: '1s' })), {
    code: 'ARGUMENT_INVALID',
    message: /task\(\) has no setting 'timeout'; there are name, queue, retry, timeouts, input, output, run/,
  })
})
