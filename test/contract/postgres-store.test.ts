import { after, before, describe } from 'node:test'
import { describeStore } from './store.contract.ts'
import { PostgresFixtures } from './store-fixtures.ts'
import type { StoreFixture } from './store-test.ts'

describe('on PostgreSQL 18', () => {
  let fixtures: PostgresFixtures | undefined
  before(async () => {
    fixtures = await PostgresFixtures.start()
  })
  after(() => fixtures?.[Symbol.asyncDispose]())

  const create = (): Promise<StoreFixture> => {
    if (fixtures === undefined) throw new Error('the server has not started')
    return fixtures.create()
  }
  describeStore('PostgreSQL store', create)
})
