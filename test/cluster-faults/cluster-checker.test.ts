/** The checker of these tests finds what it is there to find. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClientEntry } from './client-log.ts'
import { FaultyCluster } from './faulty-cluster.ts'

/** One run for each thing that is spoilt. */
const SPOILT = `
  with run as (
    select run_id, row_number() over (order by run_id) as number, max(seq) as last
    from perdure.journal join perdure.execution using (day, run_id) where workflow = 'parent' group by run_id
  ), gone as (
    delete from perdure.journal using run where journal.run_id = run.run_id and number = 1 and seq = 2
  ), fallen as (
    update perdure.journal set epoch = -1 from run where journal.run_id = run.run_id and number = 2 and seq = last
  ), repeated as (
    insert into perdure.journal (day, run_id, seq, epoch, count, events)
    select day, journal.run_id, last + count, epoch, count, events
    from perdure.journal join run on run.run_id = journal.run_id where number = 3 and seq = last
  ), again as (
    insert into perdure.journal (day, run_id, seq, epoch, count, events)
    select day, journal.run_id, last + 100, epoch, count, events
    from perdure.journal join run on run.run_id = journal.run_id where number = 7 and seq = 2
  ), open as (
    update perdure.execution set status = 'running' from run where execution.run_id = run.run_id and number = 4
  ), timer as (
    insert into perdure.timer (day, run_id, timer, due_at, shard) select 1, run_id, 99, 1, 0 from run where number = 5
  )
  select workflow_id from perdure.execution join run using (run_id) where number = 6`

describe('the checker of a cluster under faults', () => {
  test('finds what is lost, wrong, torn, repeated, open and left over', async () => {
    await using cluster = await FaultyCluster.start({ nodes: ['a'], clients: 1, lanes: 10 })
    for (let i = 0; i < 3; i++) await cluster.goesOn()
    assert.deepEqual((await cluster.finish()).faults, [])
    const [told = []] = cluster.logs()
    const [row] = await cluster.query(SPOILT)
    const untouched = String(row?.workflow_id)
    const lies: readonly ClientEntry[] = [
      { kind: 'acknowledged', call: 'start', id: 'nobody', at: 1, tookMs: 1 },
      { kind: 'acknowledged', call: 'signal', id: 'nobody', at: 1, tookMs: 1 },
      { kind: 'result', id: untouched, value: -7, at: 1, tookMs: 1 },
      { kind: 'error', id: untouched, error: 'it was refused', at: 1 },
    ]
    const { faults } = await cluster.check([told, lies])
    for (const expected of [
      /^nobody was acknowledged \(acknowledged\), and is lost$/,
      /: -7 was read, \d+ is recorded$/,
      /: it was refused$/,
      /: event \d+ follows 1$/,
      /: epoch -1 after \d+ at \d+$/,
      /has 2 ends, its last event is execution-completed$/,
      /is completed twice$/,
      /is running$/,
      /^1 rows are left in timer$/,
    ])
      assert.ok(
        faults.some((fault) => expected.test(fault)),
        `${expected}: ${faults.join('; ')}`,
      )
  })
})
