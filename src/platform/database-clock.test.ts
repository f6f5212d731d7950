import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from './clock.ts'
import { DatabaseClock } from './database-clock.ts'

/** A node whose clock is 5 s behind that of the database. */
class Scene {
  tickMs = 0
  behindMs = 5000
  readonly clock = new DatabaseClock({
    nowMs: () => 1_000_000 + this.tickMs,
    tickMs: () => this.tickMs,
    after: () => () => {},
    defer: () => {},
  } satisfies Clock)

  /** The database reads its clock after a share of the time that the answer takes. */
  async ask(tookMs: number, share: number): Promise<void> {
    await this.clock.sample(async () => {
      this.tickMs += tookMs * share
      const databaseMs = 1_000_000 + this.tickMs + this.behindMs
      this.tickMs += tookMs * (1 - share)
      return { databaseMs }
    })
  }

  get errorMs(): number {
    return Math.abs(this.clock.nowMs() - (1_000_000 + this.tickMs + this.behindMs))
  }
}

describe('the clock of the database', () => {
  test('is known as well as the quickest answer of the last minute tells', async () => {
    const scene = new Scene()
    await scene.ask(200, 0.1)
    assert.ok(scene.errorMs <= 100)
    await scene.ask(4, 0.9)
    assert.ok(scene.errorMs <= 2)
    await scene.ask(500, 0)
    assert.ok(scene.errorMs <= 2, 'a slow answer teaches nothing')
    scene.tickMs += 61_000
    await scene.ask(20, 0.5)
    assert.ok(scene.errorMs <= 10)
  })

  test('follows when a clock is set', async () => {
    const scene = new Scene()
    await scene.ask(2, 0.5)
    scene.behindMs = -3000
    await scene.ask(50, 0.5)
    assert.ok(scene.errorMs <= 25)
  })
})
