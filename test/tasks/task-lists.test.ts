// Lists of tasks: those that run, those that wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine } from '../../src/index.ts'
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
