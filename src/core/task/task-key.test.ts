import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Payload } from '../../protocol/payload.ts'
import { debounced, isKeyHeld, keyTextOf } from './task-key.ts'
import { dueMs, type TaskSpec } from './task-record.ts'

const input: Payload = [1, 'json', null, 1]
const spec = (more: Partial<TaskSpec>): TaskSpec => ({ input, enqueuedMs: 100, ...more })

describe('the key of a task', () => {
  test('differs by kind, by name and by key', () => {
    const texts = [
      keyTextOf('a', { dedupe: { key: 'k' } }),
      keyTextOf('a', { debounce: { key: 'k' } }),
      keyTextOf('b', { dedupe: { key: 'k' } }),
      keyTextOf('a', { dedupe: { key: 'l' } }),
      keyTextOf('a","k', { dedupe: { key: '' } }),
    ]
    assert.equal(new Set(texts).size, texts.length)
    assert.equal(keyTextOf('a', {}), undefined)
  })

  test('for deduplication is held while the task is open, and in its window', () => {
    const plain = spec({ dedupe: { key: 'k' } })
    const windowed = spec({ dedupe: { key: 'k', forMs: 50 } })
    assert.ok(isKeyHeld({ status: 'waiting', state: {} }, plain, 1e9))
    assert.ok(isKeyHeld({ status: 'delayed', state: { attempts: 2 } }, plain, 1e9))
    assert.ok(!isKeyHeld({ status: 'completed', state: {} }, plain, 100))
    assert.ok(isKeyHeld({ status: 'failed', state: {} }, windowed, 149))
    assert.ok(!isKeyHeld({ status: 'failed', state: {} }, windowed, 150))
    assert.ok(isKeyHeld({ status: 'waiting', state: {} }, windowed, 1e9))
  })

  test('for debouncing is held while the first delay lasts', () => {
    const debouncing = spec({ debounce: { key: 'k' } })
    assert.ok(isKeyHeld({ status: 'delayed', state: { wakeMs: 5 } }, debouncing, 100))
    assert.ok(!isKeyHeld({ status: 'waiting', state: {} }, debouncing, 100))
    assert.ok(!isKeyHeld({ status: 'delayed', state: { attempts: 1 } }, debouncing, 100))
  })
})

test('a debounced task takes the newest input, and is due later, within its longest wait', () => {
  const record = { status: 'delayed', state: { wakeMs: 150 } } as const
  const newest: Payload = [1, 'json', null, 2]
  const timed = spec({ debounce: { key: 'k' }, startMs: 150, timeouts: { scheduleToCloseMs: 1000 } })
  const again = debounced(record, timed, newest, { nowMs: 140, waitMs: 50 })
  assert.deepEqual(again, { status: 'delayed', state: { input: newest, wakeMs: 190, sinceMs: 190 } })
  assert.equal(dueMs(again, timed), 190)
  const last = debounced(again, timed, newest, { nowMs: 180, waitMs: 50, maxWaitMs: 100 })
  assert.equal(last.state.wakeMs, 200)
  const late = debounced(again, timed, newest, { nowMs: 300, waitMs: 50, maxWaitMs: 100 })
  assert.equal(late.state.wakeMs, 300, 'never before now')
})
