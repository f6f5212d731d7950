/** The stores give the same answers to the same random operations. */
import { describe, test } from 'node:test'
import { PostgresFixtures, sqliteFixture } from './store-fixtures.ts'
import { compareWithMemory } from './store-operations.ts'

describe('stores under the same random operations', () => {
  test('memory and SQLite agree', () => compareWithMemory(sqliteFixture, 25))

  test('memory and PostgreSQL agree', async () => {
    await using fixtures = await PostgresFixtures.start()
    await compareWithMemory(() => fixtures.create(), 25)
  })
})
