import { describeStore } from './store.contract.ts'
import { memoryFixture } from './store-fixtures.ts'

describeStore('memory store', memoryFixture)
