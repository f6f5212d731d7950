/** A PostgreSQL that Patroni runs, as docs/deployment.md has it, loses its primary under load. The long run: `npm run soak -- patroni`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AcknowledgedWork } from './acknowledged-work.ts'
import { checkAcknowledged } from './acknowledgement-check.ts'
import type { PatroniCluster } from './patroni-cluster.ts'
import { patroniPrograms } from './patroni-programs.ts'
import { patroniRun } from './patroni-run.ts'

const programs = patroniPrograms()
const missing = 'missing' in programs ? programs.missing : undefined
if (missing !== undefined) console.log(`NOT RUN: Patroni: ${missing}`)

describe('PostgreSQL run by Patroni', { skip: missing !== undefined }, () => {
  test('its primary is killed under load: nothing acknowledged is lost, nothing is done twice', async (t) => {
    if ('missing' in programs) throw new Error(programs.missing)
    const run = await patroniRun({
      programs,
      kinds: ['kill-postgres'],
      say: (line) => t.diagnostic(line),
      onChecked: theCheckFinds,
    })
    assert.deepEqual(run.faults, [])
    assert.equal(run.failOvers.length, 1)
    assert.ok(run.acknowledgements > 0)
    assert.ok(run.unknownCommitsSettled > 0, 'a commit was under way')
  })
})

/** What the check must not overlook: an answer that was never given, another result, and journals that were changed. */
async function theCheckFinds(cluster: PatroniCluster, work: AcknowledgedWork): Promise<void> {
  const query = (sql: string, values?: readonly unknown[]): ReturnType<PatroniCluster['query']> =>
    cluster.query('orders', sql, values)
  const [[wrong, told] = [], [cut] = []] = work.started
  assert.ok(wrong !== undefined && told !== undefined && cut !== undefined)
  const claimed = new Map(work.started)
  claimed.set('never-started', { value: 1, isSignalled: false, result: undefined })
  claimed.set(wrong, { ...told, result: Number(told.result) + 1 })
  await query(
    `delete from perdure.journal where seq > 1 and run_id = (select run_id from perdure.execution where workflow_id = $1)
       and seq = (select max(seq) from perdure.journal as other where other.run_id = journal.run_id)`,
    [cut],
  )
  await query(
    `insert into perdure.outbox (from_shard, to_shard, seq, message) values (1, 2, 1000000000, '{}')`,
  )
  const { faults } = await checkAcknowledged(query, claimed, { leftoversMs: 0 })
  const found = (id: string, what: RegExp): boolean =>
    faults.some((fault) => fault.startsWith(id) && what.test(fault))
  assert.ok(found('never-started', /lost/), 'an answer without an execution')
  assert.ok(found(wrong, /was told as/), 'another result')
  assert.ok(found(cut, /ended with nothing/), 'a journal without its end')
  assert.ok(found('1 rows', /left in outbox/), 'a message that is left')
}
