import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../platform/clock.ts'
import { silentLogger } from '../../platform/logger.ts'
import { RepeatedLook } from './repeated-look.ts'

/** A clock whose timers a test lets go off. */
function clockOf(): Clock & { readonly waits: number[]; go(): Promise<void> } {
  let timers: { readonly ms: number; readonly call: () => void }[] = []
  return {
    nowMs: () => 0,
    defer: setImmediate,
    after: (ms, call) => {
      const timer = { ms, call }
      timers.push(timer)
      return () => {
        timers = timers.filter((each) => each !== timer)
      }
    },
    get waits() {
      return timers.map(({ ms }) => ms)
    },
    go: async () => {
      const due = timers
      timers = []
      for (const { call } of due) call()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('looking at the database again and again', () => {
  test('one look begins some time after the one before has ended, also if that has failed', async () => {
    const clock = clockOf()
    const logged: unknown[] = []
    const logger = { ...silentLogger, debug: (message: string) => logged.push(message) }
    const looks = new RepeatedLook({ clock, logger, pauseMs: 500, what: 'settings' })
    const turns = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let begun = 0
    looks.start(() => turns[begun++]?.promise ?? Promise.resolve())
    assert.deepEqual([begun, clock.waits], [0, [500]])
    await clock.go()
    assert.deepEqual([begun, clock.waits], [1, []])
    turns[0]?.reject(new Error('away'))
    await clock.go()
    assert.deepEqual([begun, clock.waits, logged], [1, [500], ['settings could not be read']])
    await clock.go()
    assert.deepEqual([begun, clock.waits], [2, []])
    looks.stop()
  })

  test('after the end no look begins, and one that is under way is the last', async () => {
    const clock = clockOf()
    const logger = { ...silentLogger, debug: () => assert.fail('it was meant to end') }
    const options = { clock, logger, pauseMs: 500, what: 'settings' }
    const waiting = new RepeatedLook(options)
    waiting.start(() => assert.fail('it was stopped'))
    waiting.stop()
    assert.deepEqual(clock.waits, [])
    waiting.start(() => assert.fail('it was stopped'))
    assert.deepEqual(clock.waits, [])
    const looking = new RepeatedLook(options)
    const look = Promise.withResolvers<void>()
    looking.start(() => look.promise)
    await clock.go()
    looking.stop()
    look.reject(new Error('the store is closed'))
    await clock.go()
    assert.deepEqual(clock.waits, [])
  })
})
