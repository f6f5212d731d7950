// Lists of tasks: those that run, those that wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, task } from '../../src/index.ts'
import { gate, until } from './task-fixtures.ts'

test('lists tell those that run from those that wait, page by page', async () => {
  const { task: slow, open } = gate()
  await using engine = await createEngine({ store: 'memory', tasks: [slow], taskConcurrency: 2 })
  await engine.enqueueMany(slow, ['a', 'b', 'c', 'd', 'e'])
  await until(() => open.length === 2)
  const counted: Record<string, number> = {}
  for (const status of [['running'], ['waiting'], ['waiting', 'running']] as const) {
    let cursor: string | undefined
    do {
      const page = await engine.listTasks({ status, limit: 1, ...(cursor === undefined ? {} : { cursor }) })
      for (const each of page.tasks) assert.ok((status as readonly string[]).includes(each.status))
      counted[`${status}`] = (counted[`${status}`] ?? 0) + page.tasks.length
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  assert.deepEqual(counted, { running: 2, waiting: 3, 'waiting,running': 5 })
  while (open.length < 5 || (await engine.listTasks({ status: ['running'] })).tasks.length > 0) {
    for (const each of open) each()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
})

test('what runs says since when, in lists and by itself, and that stays so', async () => {
  const { task: slow, open } = gate()
  let attempts = 0
  const flaky = task({
    name: 'flaky',
    retry: { maxAttempts: 2, initialInterval: '1ms' },
    run: async () => {
      attempts += 1
      if (attempts === 1) throw new Error('once')
      await new Promise<void>((resolve) => open.push(resolve))
    },
  })
  await using engine = await createEngine({ store: 'memory', tasks: [slow, flaky], taskConcurrency: 1 })
  const beganMs = Date.now()
  const [first, second] = await engine.enqueueMany(slow, ['a', 'b'])
  assert.ok(first !== undefined && second !== undefined)
  await until(() => open.length === 1)
  const { startedAt, closedAt } = await first.describe()
  assert.ok(startedAt !== undefined && startedAt.getTime() >= beganMs && startedAt.getTime() <= Date.now())
  assert.equal(closedAt, undefined)
  assert.equal((await second.describe()).startedAt, undefined)
  assert.deepEqual(
    (await engine.listTasks()).tasks.map((each) => [each.id, each.startedAt]),
    [
      [second.id, undefined],
      [first.id, startedAt],
    ],
  )
  await new Promise((resolve) => setTimeout(resolve, 20))
  open[0]?.()
  await first.result()
  assert.deepEqual((await first.describe()).startedAt, startedAt)
  await until(() => open.length === 2)
  open[1]?.()
  await second.result()
  // Of a later attempt the start of the first one counts.
  const third = await engine.enqueue(flaky)
  await until(() => open.length === 3)
  const running = await third.describe()
  assert.equal(running.attempts, 2)
  open[2]?.()
  await third.result()
  assert.deepEqual((await third.describe()).startedAt, running.startedAt)
})
