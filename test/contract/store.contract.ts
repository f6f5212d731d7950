/** What every store promises: the same cases run on each of them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeAdmin } from './store-admin.contract.ts'
import { describeHumanTasks } from './store-human-tasks.contract.ts'
import { describeQueueSettings } from './store-queue-settings.contract.ts'
import { describeReads } from './store-reads.contract.ts'
import { type BatchRows, batchOf } from './store-rows.ts'
import { describeSchedules } from './store-schedules.contract.ts'
import { describeTasks } from './store-tasks.contract.ts'
import type { CreateFixture, StoreTest } from './store-test.ts'
import { describeWrites } from './store-writes.contract.ts'

export function describeStore(name: string, createFixture: CreateFixture): void {
  const storeTest = (title: string, run: (t: StoreTest) => Promise<void>): void => {
    test(title, async () => {
      const fixture = await createFixture()
      const store = await fixture.open()
      try {
        const { session } = await store.register({ node: 'host:1', incarnation: 'first', nowMs: 10 })
        let seq = 0
        const write = async (rows: BatchRows, atMs?: number): Promise<void> => {
          seq++
          const outcome = await store.commit(batchOf(session, seq, rows, atMs ?? seq))
          assert.deepEqual(outcome, { outcome: 'committed' })
        }
        await run({ fixture, store, session, write })
      } finally {
        await store.close()
        await fixture.remove()
      }
    })
  }

  describe(name, () => {
    describeWrites(storeTest)
    describeReads(storeTest)
    describeTasks(storeTest)
    describeSchedules(storeTest)
    describeQueueSettings(storeTest)
    describeHumanTasks(storeTest)
    describeAdmin(storeTest)
  })
}
