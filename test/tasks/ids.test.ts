// Ids of tasks are shared by all definitions of a namespace.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { task } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { double } from './task-fixtures.ts'

const half = task({ name: 'half', run: (_, n: number) => n / 2 })

test('the id of a task of another name is taken, in memory, in the store, and within one call', async () => {
  await using engine = await createTestEngine({ tasks: [double, half] })
  const first = await engine.enqueue(double, 1, { id: 'same' })
  const taken = {
    code: 'TASK_ID_TAKEN',
    message: /the id same is that of a task double, not half.* all tasks of a namespace share them/,
  }
  await assert.rejects(engine.enqueue(half, 4, { id: 'same' }), taken)
  assert.equal(await first.result(), 2)
  await engine.restart()
  await assert.rejects(engine.enqueue(half, 4, { id: 'same' }), taken)
  // Of a call that is refused nothing is enqueued.
  await assert.rejects(
    engine.enqueueMany(half, [1, 2], (n) => ({ id: n === 1 ? 'new' : 'same' })),
    taken,
  )
  await assert.rejects(engine.task(half, 'new').describe(), { code: 'TASK_NOT_FOUND' })
  const again = await engine.enqueue(double, 7, { id: 'same' })
  assert.deepEqual([again.enqueued, await again.result()], [false, 2])
  await again.delete()
  assert.equal(await (await engine.enqueue(half, 4, { id: 'same' })).result(), 2)
})
