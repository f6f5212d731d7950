import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { failureOf, NonRetryableError } from '../../protocol/failure.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { DEFAULT_RETRY } from '../../protocol/retry-policy.ts'
import { isTaskClosed } from '../../protocol/task-status.ts'
import {
  attemptsOf,
  cancelled,
  completed,
  due,
  dueMs,
  enqueued,
  failed,
  LOSSES_MAX,
  lost,
  retried,
  type TaskRecord,
  type TaskSpec,
  yielded,
} from './task-record.ts'

const AT = { startedMs: 1000, servedMs: 5 }
const spec = (more: Partial<TaskSpec> = {}): TaskSpec => ({
  input: encodePayload(1),
  enqueuedMs: 1000,
  ...more,
})
const NEW: TaskRecord = { status: 'waiting', state: {} }
const error = failureOf(new Error('no'))
const failedAt = (record: TaskRecord, of: TaskSpec = spec(), random = 0.5): TaskRecord =>
  failed(record, of, error, { at: AT, nowMs: 2000, random })

describe('a task', () => {
  test('waits at once, or is delayed until its time', () => {
    assert.deepEqual(enqueued(spec(), 1000), NEW)
    assert.deepEqual(enqueued(spec({ startMs: 999 }), 1000), NEW)
    const delayed = enqueued(spec({ startMs: 5000 }), 1000)
    assert.equal(delayed.status, 'delayed')
    assert.equal(dueMs(delayed, spec({ startMs: 5000 })), 5000)
    assert.equal(due(delayed, spec({ startMs: 5000 }), 4999), undefined)
    assert.deepEqual(due(delayed, spec({ startMs: 5000 }), 5000), { status: 'waiting', state: {} })
  })

  test('counts attempts that end; a slice and a lost worker are none', () => {
    const sliced = yielded(NEW, encodePayload('half'), 7, AT)
    assert.deepEqual([sliced.status, attemptsOf(sliced.state), sliced.state.order], ['waiting', 0, 7])
    assert.equal(attemptsOf(lost(sliced, AT).state), 0)
    const again = failedAt(sliced)
    assert.equal(attemptsOf(again.state), 1)
    const done = completed(again, encodePayload('all'), AT)
    assert.deepEqual([done.status, attemptsOf(done.state), done.state.servedMs], ['completed', 2, 15])
    assert.equal(done.state.checkpoint, undefined)
    assert.equal(done.state.failure, undefined)
  })

  test('pauses between attempts, within the bounds of its policy', () => {
    const retry = { ...DEFAULT_RETRY, initialMs: 100, maxMs: 1000, maxAttempts: 50 }
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (times, random) => {
          let record = NEW
          for (let n = 0; n < times; n++) record = failedAt(record, spec({ retry }), random)
          const delayMs = record.state.delayMs ?? 0
          assert.ok(delayMs >= 0 && delayMs <= Math.min(1000, 100 * 2 ** (times - 1)))
          assert.equal(record.status, delayMs === 0 ? 'waiting' : 'delayed')
          if (record.status === 'delayed') assert.equal(record.state.wakeMs, 2000 + delayMs)
        },
      ),
    )
  })

  test('is a dead letter after its last attempt, and at once for an error that is not to be retried', () => {
    let record = NEW
    for (let n = 1; n < DEFAULT_RETRY.maxAttempts; n++) {
      record = failedAt(record)
      assert.ok(!isTaskClosed(record.status))
    }
    assert.equal(failedAt(record).status, 'failed')
    const final = failed(NEW, spec(), failureOf(new NonRetryableError('never')), {
      at: AT,
      nowMs: 0,
      random: 0,
    })
    assert.equal(final.status, 'failed')
    const listed = spec({ retry: { ...DEFAULT_RETRY, nonRetryable: ['Error'] } })
    assert.equal(failedAt(NEW, listed).status, 'failed')
  })

  test(`is poison when ${LOSSES_MAX} workers were lost in a row; what a worker ends begins the row anew`, () => {
    let record = NEW
    for (let n = 1; n < LOSSES_MAX; n++) record = lost(record, AT)
    assert.equal(record.status, 'waiting')
    const poison = lost(record, AT)
    assert.deepEqual([poison.status, poison.state.failure?.code], ['failed', 'TASK_POISON'])
    assert.equal(failedAt(record).state.losses, undefined)
    assert.equal(yielded(record, encodePayload(1), 1, AT).state.losses, undefined)
  })

  test('expires when it does not start, or end, in time', () => {
    const toStart = spec({ timeouts: { scheduleToStartMs: 10 } })
    assert.equal(dueMs(NEW, toStart), 1010)
    const late = due(NEW, toStart, 1010)
    assert.deepEqual([late?.status, late?.state.failure?.code], ['expired', 'TASK_EXPIRED'])
    const begun = yielded(NEW, encodePayload(1), 1, AT)
    assert.equal(dueMs(begun, toStart), null, 'it has started')
    const toClose = spec({ timeouts: { scheduleToCloseMs: 10 } })
    assert.equal(due({ ...begun, status: 'running' }, toClose, 1010)?.status, 'expired')
    assert.equal(dueMs(cancelled(NEW, 'x'), toClose), null)
    const delayed = spec({ startMs: 5000, timeouts: { scheduleToStartMs: 10 } })
    assert.equal(dueMs(NEW, delayed), 5010, 'time counts from when it begins to wait')
  })

  test('is due at a whole number, whatever its options say', () => {
    const odd = spec({ startMs: 2000.5, timeouts: { scheduleToCloseMs: 1e300 } })
    const delayed = enqueued(odd, 1000)
    assert.equal(dueMs(delayed, odd), 2001)
    assert.deepEqual(due(delayed, odd, 2001), { status: 'waiting', state: {} })
    assert.equal(dueMs(NEW, odd), Number.MAX_SAFE_INTEGER)
    const retry = { ...DEFAULT_RETRY, initialMs: 1e300, maxMs: 1e300 }
    assert.equal(dueMs(failedAt(NEW, spec({ retry })), spec({ retry })), Number.MAX_SAFE_INTEGER)
  })

  test('begins anew with all its attempts and time, from its checkpoint', () => {
    const sliced = yielded(NEW, encodePayload('half'), 3, AT)
    const dead = failed(sliced, spec(), failureOf(new NonRetryableError('x')), {
      at: AT,
      nowMs: 0,
      random: 0,
    })
    const again = retried(dead, 99, 7000)
    assert.equal(again.status, 'waiting')
    assert.deepEqual(
      [attemptsOf(again.state), again.state.order, again.state.checkpoint],
      [0, 99, encodePayload('half')],
    )
    assert.equal(dueMs(again, spec({ timeouts: { scheduleToStartMs: 10 } })), 7010)
  })
})
