// Runs with the disk shim. Usage: durability-process.ts STORE CONTROL count|fail-sync|fail-write full|normal RUNS
// Each commit writes the rows of RUNS runs. Prints one JSON line of what happened.

import { constants } from 'node:os'
import process from 'node:process'
import { PerdureError } from '../../src/protocol/errors.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { type BatchRows, batchOf, executionRow, journalEntry, runIdAt } from '../contract/store-rows.ts'
import { readControl, writeControl } from './disk-shim.ts'

const COMMITS = 100

const [path = '', control = '', mode = '', synchronous = '', runs = ''] = process.argv.slice(2)
const store = createSqliteStore(path, { synchronous: synchronous === 'full' ? 'full' : 'normal' })
const { session } = await store.register({ node: 'host:1', incarnation: 'i', nowMs: 1 })

/** Runs of commit 1 begin with number 0, and so on. */
const rowsOf = (seq: number): BatchRows => {
  const runIds = Array.from({ length: Number(runs) }, (_, i) => runIdAt((seq - 1) * Number(runs) + i))
  return {
    executionsInserted: runIds.map((runId) => executionRow(runId)),
    journal: runIds.map((runId) => journalEntry(runId, 1)),
  }
}

const outcomeOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    (answer) => `answered ${JSON.stringify(answer)}`,
    (error) => (error instanceof PerdureError ? error.message : String(error)),
  )

const before = readControl(control).syncs
for (let seq = 1; seq <= COMMITS; seq++) {
  const { outcome } = await store.commit(batchOf(session, seq, rowsOf(seq)))
  if (outcome !== 'committed') throw new Error(outcome)
}
const syncs = readControl(control).syncs - before

if (mode === 'count') {
  console.log(JSON.stringify({ commits: COMMITS, syncs }))
} else {
  if (mode === 'fail-sync') writeControl(control, { syncErrno: constants.errno.EIO })
  else writeControl(control, { writeErrno: constants.errno.ENOSPC })
  const failed = await outcomeOf(store.commit(batchOf(session, COMMITS + 1, rowsOf(COMMITS + 1))))
  // The disk is well again: what failed stays failed.
  writeControl(control, {})
  const after = [
    await outcomeOf(store.commit(batchOf(session, COMMITS + 2, rowsOf(COMMITS + 2)))),
    await outcomeOf(store.executions([runIdAt(1)])),
    await outcomeOf(store.hasCommitted(session, 1)),
    await outcomeOf(store.fence(session)),
  ]
  console.log(JSON.stringify({ commits: COMMITS, failed, after }))
}
await store.close()
