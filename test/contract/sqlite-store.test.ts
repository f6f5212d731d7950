import { describeStore } from './store.contract.ts'
import { sqliteFixture } from './store-fixtures.ts'

describeStore('SQLite store', sqliteFixture)
