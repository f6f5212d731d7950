import assert from 'node:assert/strict'
import { test } from 'node:test'
import { currentCall, partOf, TrackedCall, withCall } from './call-context.ts'

const context = {
  caller: { id: 'key:ann', kind: 'api-key' },
  action: 'RetryTasks',
  namespace: 'default',
  resource: { type: 'Namespace', id: 'default' },
  requestId: 'r1',
} as const

test('the call goes along with what is awaited, and not beyond', async () => {
  const call = new TrackedCall(context)
  await withCall(call, async () => {
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(currentCall(), call)
    withCall(undefined, () => assert.equal(currentCall(), undefined))
  })
  assert.equal(currentCall(), undefined)
})

test('what was dropped is not recorded any more, though it was', () => {
  const call = new TrackedCall(context)
  const batch: { dropped: Error | undefined } = { dropped: undefined }
  assert.deepEqual([call.wasRecorded, call.isRecorded], [false, false])
  call.recordedIn(batch)
  assert.deepEqual([call.wasRecorded, call.isRecorded], [true, true])
  batch.dropped = new Error('fenced')
  assert.deepEqual([call.wasRecorded, call.isRecorded], [true, false])
})

test('a call that is over keeps no batch alive', () => {
  const call = new TrackedCall(context)
  const batch = { dropped: undefined, rows: 'many' }
  call.recordedIn(batch)
  call.end()
  assert.equal(call.isRecorded, true)
  assert.ok(!Object.values(call).includes(batch))
  const { dropped } = { dropped: new Error('later') }
  Object.assign(batch, { dropped })
  assert.equal(call.isRecorded, true, 'it does not look at it any more')
})

test('what is recorded of a part is recorded of the call', async () => {
  const call = new TrackedCall(context)
  await partOf(call, { type: 'Task', id: 't1' }, async () => {
    assert.deepEqual(currentCall()?.context, { ...context, resource: { type: 'Task', id: 't1' } })
  })
  assert.equal(call.isRecorded, false)
  await assert.rejects(
    partOf(call, { type: 'Task', id: 't2' }, async () => {
      currentCall()?.recordedIn({ dropped: undefined })
      throw new Error('no')
    }),
  )
  assert.equal(call.isRecorded, true)
})
