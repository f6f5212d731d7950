// Keys of tasks: deduplication and debouncing, when calls meet, over restarts, and under faults.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, task } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, FAULT_KINDS, faultAt, gate, until } from './task-fixtures.ts'

describe('a deduplication key', () => {
  test('makes one task of many enqueues, also when the calls meet', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({ store: 'memory', tasks: [slow, double] })
    const calls = await Promise.all(
      ['a', 'b', 'c'].map((label) => engine.enqueue(slow, label, { dedupeKey: 'k' })),
    )
    assert.equal(new Set(calls.map(({ id }) => id)).size, 1)
    assert.deepEqual(
      calls.map(({ enqueued }) => enqueued),
      [true, false, false],
    )
    const many = await engine.enqueueMany(slow, ['d', 'e', 'f'], (label) => ({
      dedupeKey: label === 'e' ? 'other' : 'k',
    }))
    assert.deepEqual(
      many.map(({ enqueued }) => enqueued),
      [false, true, false],
    )
    // Keys of other tasks, and of debouncing, are others.
    assert.equal((await engine.enqueue(double, 1, { dedupeKey: 'k' })).enqueued, true)
    assert.equal((await engine.enqueue(slow, 'g', { debounce: { key: 'k', wait: '1h' } })).enqueued, true)
    await until(() => open.length === 2)
    for (const each of open.splice(0)) each()
    assert.equal(await calls[0]?.result(), 'a')
    // It has ended, and has no window: the key is free.
    const next = await engine.enqueue(slow, 'h', { dedupeKey: 'k' })
    assert.equal(next.enqueued, true)
    await until(() => open.length === 1)
    open[0]?.()
    assert.equal(await next.result(), 'h')
  })

  test('is held for its window after the enqueue, over restarts, and again by a retry', async () => {
    let isMended = false
    const letter = task({
      name: 'letter',
      retry: { maxAttempts: 1 },
      run: () => {
        if (!isMended) throw new Error('no post today')
        return 'sent'
      },
    })
    await using engine = await createTestEngine({ tasks: [letter] })
    const options = { dedupeKey: 'k', dedupeFor: '10m' } as const
    const first = await engine.enqueue(letter, undefined, options)
    await assert.rejects(first.result(), /no post today/)
    await engine.restart()
    const again = await engine.enqueue(letter, undefined, options)
    assert.deepEqual([again.id, again.enqueued], [first.id, false])
    await engine.advance('11m')
    const second = await engine.enqueue(letter, undefined, { dedupeKey: 'k' })
    assert.equal(second.enqueued, true)
    await assert.rejects(second.result(), /no post today/)
    isMended = true
    await first.retry()
    assert.equal(await first.result(), 'sent')
    assert.equal((await engine.enqueue(letter, undefined, { dedupeKey: 'k' })).enqueued, true)
  })

  test('is that of its id first', async () => {
    await using engine = await createTestEngine({ tasks: [double], workflows: [] })
    const first = await engine.enqueue(double, 1, { id: 'a', dedupeKey: 'k', delay: '1h' })
    assert.equal((await engine.enqueue(double, 2, { id: 'b', dedupeKey: 'k' })).id, 'a')
    assert.equal((await engine.enqueue(double, 2, { id: 'a', dedupeKey: 'l' })).enqueued, false)
    await first.cancel()
    await first.delete()
    assert.equal((await engine.enqueue(double, 2, { id: 'b', dedupeKey: 'k' })).id, 'b')
  })

  test('is in the file: another engine sees it', async () => {
    using file = temporaryFile('tasks.db')
    const store = `sqlite:${file.path}` as const
    const options = { dedupeKey: 'k', dedupeFor: '1h' } as const
    const engine = await createEngine({ store, tasks: [double] })
    const { id } = await engine.enqueue(double, 1, options)
    await engine.task(double, id).result()
    await engine.close()
    await using other = await createEngine({ store, tasks: [double] })
    const again = await other.enqueue(double, 2, options)
    assert.deepEqual([again.id, again.enqueued, await again.result()], [id, false, 2])
  })
})

describe('debouncing', () => {
  test('starts once, after the last enqueue, with its input', async () => {
    const seen: number[] = []
    const index = task({ name: 'index', run: (_, version: number) => seen.push(version) })
    await using engine = await createTestEngine({ tasks: [index] })
    const debounce = { key: 'page', wait: '10s' } as const
    const from = engine.now()
    const first = await engine.enqueue(index, 1, { debounce })
    await engine.advance('6s')
    const second = await engine.enqueue(index, 2, { debounce })
    assert.deepEqual([second.id, second.enqueued], [first.id, false])
    await engine.advance('6s')
    assert.deepEqual(seen, [])
    await engine.restart()
    await engine.enqueueMany(index, [3, 4], { debounce })
    assert.equal((await first.describe()).delayedUntil?.getTime(), engine.now() + 10_000)
    await first.result()
    assert.deepEqual(seen, [4])
    assert.ok(engine.now() - from >= 22_000)
    // It has started: the next one is another task.
    const third = await engine.enqueue(index, 5, { debounce })
    assert.equal(third.enqueued, true)
    await third.result()
    assert.deepEqual(seen, [4, 5])
  })

  test('waits no longer than maxWait after the first enqueue', async () => {
    const seen: number[] = []
    const index = task({ name: 'index', run: (_, version: number) => seen.push(version) })
    await using engine = await createTestEngine({ tasks: [index] })
    const debounce = { key: 'page', wait: '10s', maxWait: '15s' } as const
    const first = await engine.enqueue(index, 1, { debounce })
    const from = engine.now()
    await engine.advance('8s')
    await engine.enqueue(index, 2, { debounce })
    const until = (await first.describe()).delayedUntil?.getTime() ?? 0
    assert.ok(until <= from + 15_000 && until > from + 14_000)
    await engine.advance('8s')
    assert.equal(await first.result(), 1)
    assert.deepEqual(seen, [2])
  })
})

test('wrong key options are refused', async () => {
  await using engine = await createTestEngine({ tasks: [double] })
  const refused = (options: object, message: RegExp): Promise<void> =>
    assert.rejects(engine.enqueue(double, 1, options), { message })
  await refused({ dedupeFor: '1s' }, /dedupeFor is given without dedupeKey/)
  await refused({ dedupeKey: '' }, /the deduplication key of a task is empty/)
  await refused({ debounce: { key: 'k', wait: 0 } }, /debounce\.wait is 0/)
  await refused({ debounce: { key: 'k', wait: 5, maxWait: 4 } }, /maxWait is shorter/)
  await refused({ debounce: { key: 'k', wait: 5, max: 4 } }, /debounce has no option 'max'; there are key, /)
  await refused({ debounce: { key: 'k', wait: 5 }, delay: 5 }, /goes with neither dedupeKey nor delay/)
  await refused({ debounce: 5 }, /debounce is not an object/)
})

describe('keys under faults', () => {
  for (const kind of FAULT_KINDS)
    test(`${kind} at any commit: one task each`, async () => {
      for (let commit = 1; commit <= 6; commit++) {
        const runs: number[] = []
        const counted = task({ name: 'counted', run: (_, n: number) => runs.push(n) })
        await using engine = await createTestEngine({ tasks: [counted], faults: [faultAt(kind, commit)] })
        const call = (n: number) =>
          engine.enqueue(counted, n, { dedupeKey: 'k', dedupeFor: '1d' }).catch(() => undefined)
        await Promise.all([call(1), call(2)])
        await call(3)
        await engine.enqueue(counted, 9, { debounce: { key: 'k', wait: '1s' } }).catch(() => undefined)
        const last = await engine.enqueue(counted, 10, { debounce: { key: 'k', wait: '1s' } })
        await engine.enqueue(counted, 4, { dedupeKey: 'k', dedupeFor: '1d' })
        await last.result()
        const { tasks } = await engine.listTasks()
        assert.equal(tasks.length, 2, `${kind} at commit ${commit}`)
        assert.ok(runs.filter((n) => n < 5).length >= 1 && runs.includes(10) && !runs.includes(9))
      }
    })
})
