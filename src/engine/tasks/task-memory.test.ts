import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fcfs } from '../../core/queue/fcfs.ts'
import { TaskQueue } from '../../core/queue/task-queue.ts'
import { systemClock } from '../../platform/clock.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { aboutOf, LiveTask } from './live-task.ts'
import { TaskMemory } from './task-memory.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function taskOf(seq: number): LiveTask {
  const head = { seq, namespace: 'default', givenId: `id-${seq}`, queue: 'q', partition: 0, name: 't' }
  const spec = { input: encodePayload(seq), enqueuedMs: 0 }
  const place = new TaskQueue<LiveTask>({ policy: fcfs() }, 0).place(aboutOf(head, spec, {}), '')
  return new LiveTask(head, spec, { status: 'completed', state: {} }, place, 1)
}

/** A read that lasts until it is ended. */
function readOf(memory: TaskMemory) {
  let end: () => void = () => {}
  const over = memory.reading(() => new Promise<void>((resolve) => (end = resolve)))
  return async (): Promise<void> => {
    end()
    await over
    await turn()
  }
}

test('what has changed leaves when the reads that had begun before are over, also if another always goes on', async () => {
  const memory = new TaskMemory(systemClock, () => true)
  const put = (seq: number): LiveTask => {
    const task = taskOf(seq)
    memory.put(task)
    memory.putId(task)
    return task
  }
  const endFirst = readOf(memory)
  memory.committed(put(1))
  memory.deleting(9)
  memory.deleted(9)
  const endSecond = readOf(memory)
  memory.committed(put(2))
  assert.ok(memory.get(1) !== undefined && memory.isDeleted(9), 'the first read may be behind')
  await endFirst()
  assert.equal(memory.get(1), undefined)
  assert.equal(memory.seqOf({ namespace: 'default', id: 'id-1' }), undefined)
  assert.equal(memory.isDeleted(9), false)
  assert.ok(memory.get(2) !== undefined, 'the second read may be behind')
  const endThird = readOf(memory)
  await endSecond()
  assert.equal(memory.get(2), undefined)
  memory.committed(put(3))
  await endThird()
  assert.equal(memory.get(3), undefined)
  memory.committed(put(4))
  assert.equal(memory.get(4), undefined, 'nobody reads')
})

test('a read that ends before an older one lets nothing go that the older one may miss', async () => {
  const memory = new TaskMemory(systemClock, () => true)
  const endOld = readOf(memory)
  const task = taskOf(1)
  memory.put(task)
  memory.committed(task)
  await readOf(memory)()
  assert.equal(memory.get(1), task)
  await endOld()
  assert.equal(memory.get(1), undefined)
})

test('what is committed once more stays for the reads that had begun by then', async () => {
  const memory = new TaskMemory(systemClock, () => true)
  const task = taskOf(1)
  memory.put(task)
  const endFirst = readOf(memory)
  memory.committed(task)
  const endSecond = readOf(memory)
  memory.committed(task)
  await endFirst()
  assert.equal(memory.get(1), task, 'the second read may have been before the second commit')
  await endSecond()
  assert.equal(memory.get(1), undefined)
})
