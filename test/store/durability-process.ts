// Runs with the disk shim. Usage: durability-process.ts STORE CONTROL count|fail-sync|fail-write full|normal
// Prints one JSON line of what happened.

import { constants } from 'node:os'
import process from 'node:process'
import { PerdureError } from '../../src/protocol/errors.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { batchOf, rowsOfEveryKind, runIdAt } from '../contract/store-rows.ts'
import { readControl, writeControl } from './disk-shim.ts'

const COMMITS = 100

const [path = '', control = '', mode = '', synchronous = ''] = process.argv.slice(2)
const store = createSqliteStore(path, { synchronous: synchronous === 'full' ? 'full' : 'normal' })
const { session } = await store.register({ node: 'host:1', incarnation: 'i', nowMs: 1 })

const outcomeOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    (answer) => `answered ${JSON.stringify(answer)}`,
    (error) => (error instanceof PerdureError ? error.message : String(error)),
  )

const before = readControl(control).syncs
for (let seq = 1; seq <= COMMITS; seq++) {
  const { outcome } = await store.commit(batchOf(session, seq, rowsOfEveryKind(seq)))
  if (outcome !== 'committed') throw new Error(outcome)
}
const syncs = readControl(control).syncs - before

if (mode === 'count') {
  console.log(JSON.stringify({ commits: COMMITS, syncs }))
} else {
  if (mode === 'fail-sync') writeControl(control, { syncErrno: constants.errno.EIO })
  else writeControl(control, { writeErrno: constants.errno.ENOSPC })
  const failed = await outcomeOf(store.commit(batchOf(session, COMMITS + 1, rowsOfEveryKind(COMMITS + 1))))
  // The disk is well again: what failed stays failed.
  writeControl(control, {})
  const after = [
    await outcomeOf(store.commit(batchOf(session, COMMITS + 2, rowsOfEveryKind(COMMITS + 2)))),
    await outcomeOf(store.executions([runIdAt(1)])),
    await outcomeOf(store.hasCommitted(session, 1)),
    await outcomeOf(store.fence(session)),
  ]
  console.log(JSON.stringify({ commits: COMMITS, failed, after }))
}
await store.close()
