// Holds a store until it is killed, and prints the number of each acknowledged commit. Usage: holder-process.ts STORE

import process from 'node:process'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { batchOf, rowsOfEveryKind } from '../contract/store-rows.ts'

const store = createSqliteStore(process.argv[2] ?? '')
const node = 'holder-host:1'
const { session } = await store.register({ node, incarnation: node, nowMs: 1 })
for (let seq = 1; seq < 9_999; seq++) {
  const { outcome } = await store.commit(batchOf(session, seq, rowsOfEveryKind(seq)))
  if (outcome !== 'committed') throw new Error(outcome)
  process.stdout.write(`${seq}\n`)
}
