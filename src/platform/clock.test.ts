import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { monotonicClock, systemClock } from './clock.ts'
import { VirtualClock } from './virtual-clock.ts'

describe('system clock', () => {
  test('calls once, not early, unless cancelled; defer comes after all microtasks', async () => {
    const from = systemClock.nowMs()
    const order: string[] = []
    systemClock.after(1, () => order.push('cancelled'))()
    const deferred = new Promise<void>((resolve) => {
      systemClock.defer(() => {
        order.push('deferred')
        resolve()
      })
    })
    queueMicrotask(() => queueMicrotask(() => order.push('microtask')))
    await Promise.all([deferred, new Promise<void>((resolve) => void systemClock.after(20, resolve))])
    assert.deepEqual(order, ['microtask', 'deferred'])
    assert.ok(systemClock.nowMs() - from >= 19)
  })

  test('takes delays longer than the timers of the system, without firing at once', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let fired = false
    const cancel = systemClock.after(2 ** 31 + 1000, () => {
      fired = true
    })
    t.mock.timers.tick(2 ** 31 - 1)
    assert.ok(!fired)
    t.mock.timers.tick(1000)
    assert.ok(!fired)
    t.mock.timers.tick(2)
    assert.ok(fired)
    cancel()
  })
})

describe('monotonic clock', () => {
  test('never runs backwards, begins at its floor, and goes on while the system is behind', () => {
    let systemMs = 0
    let tickMs = 0
    const { after, defer } = systemClock
    const clock = monotonicClock({ nowMs: () => systemMs, tickMs: () => tickMs, after, defer }, 1000)
    const seen = [0, 5, 2000, 1500, 1600, 3000].map((ms) => {
      systemMs = ms
      tickMs += 100
      return clock.nowMs()
    })
    assert.deepEqual(seen, [1100, 1200, 2000, 2100, 2200, 3000])
  })
})

describe('virtual clock', () => {
  test('runs timers in order of due time, then of setting; cancelled ones never', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean()), { maxLength: 60 }),
        (timers) => {
          const clock = new VirtualClock(100)
          const ran: (readonly [number, number])[] = []
          const cancels = timers.map(([delay], i) => clock.after(delay, () => ran.push([clock.nowMs(), i])))
          for (const [i, [, isCancelled]] of timers.entries()) if (isCancelled) cancels[i]?.()
          while (clock.runNext());
          const expected = timers
            .map(([delay, isCancelled], i) => ({ dueMs: 100 + delay, i, isCancelled }))
            .filter(({ isCancelled }) => !isCancelled)
            .toSorted((a, b) => a.dueMs - b.dueMs || a.i - b.i)
            .map(({ dueMs, i }) => [dueMs, i])
          assert.deepEqual(ran, expected)
          assert.equal(clock.nextMs(), undefined)
        },
      ),
    )
  })

  test('advance moves time; what it passes runs next, and time does not go back', () => {
    const clock = new VirtualClock(0)
    const seen: number[] = []
    clock.after(10, () => seen.push(clock.nowMs()))
    clock.advance(100)
    assert.equal(clock.nextMs(), 10)
    assert.ok(clock.runNext())
    assert.deepEqual(seen, [100])
    assert.ok(!clock.runNext())
  })

  test('timers may set and cancel timers', () => {
    const clock = new VirtualClock(0)
    const ran: string[] = []
    const cancel = clock.after(5, () => ran.push('never'))
    clock.after(1, () => {
      cancel()
      clock.after(1, () => ran.push('later'))
    })
    while (clock.runNext());
    assert.deepEqual(ran, ['later'])
    assert.equal(clock.nowMs(), 2)
  })
})
