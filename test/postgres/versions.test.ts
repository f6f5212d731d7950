/** The contract of the store on the older versions of PostgreSQL; the newest one has it in test/contract. */
import { after, before, describe } from 'node:test'
import { describeStore } from '../contract/store.contract.ts'
import { PostgresFixtures } from '../contract/store-fixtures.ts'
import type { StoreFixture } from '../contract/store-test.ts'
import { availableVersions } from './binaries.ts'

for (const version of availableVersions().slice(0, -1)) {
  describe(`on PostgreSQL ${version}`, () => {
    let fixtures: PostgresFixtures | undefined
    before(async () => {
      fixtures = await PostgresFixtures.start(version)
    })
    after(() => fixtures?.[Symbol.asyncDispose]())

    const create = (): Promise<StoreFixture> => {
      if (fixtures === undefined) throw new Error('the server has not started')
      return fixtures.create()
    }
    describeStore('PostgreSQL store', create)
  })
}
