// What is open in a namespace is counted in indexes of what is open, however much has closed.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import type { Statement } from '../../src/store/postgres/postgres-link.ts'
import { type Ask, PostgresReads } from '../../src/store/postgres/postgres-reads.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { PostgresTaskReads } from '../../src/store/postgres/postgres-task-reads.ts'
import { PostgresServer } from './server.ts'

/** 20,000 that have closed, 100 that are open, of one namespace; and as many of others. */
const EXECUTIONS = `
  insert into perdure.execution (day, run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at, closed_at)
  select 1, 'run-' || n, case when n % 2 = 0 then 'busy' else 'other' end, 'w-' || n, 0, 'w', '1',
    case when n % 200 < 2 then 'running' else 'completed' end, false, n, case when n % 200 < 2 then null else n end
  from generate_series(1, 20000) as n`
const TASKS = `
  insert into perdure.task (seq, namespace, queue, part, name, status, lane, rank, due_at, closed_at, spec)
  select n, case when n % 2 = 0 then 'busy' else 'other' end, 'q', 0, 't',
    case n % 200 when 0 then 'waiting' when 2 then 'delayed' when 100 then 'waiting' else 'completed' end, '', 0,
    null, null, '{}'
  from generate_series(1, 10000) as n`

/** Asks, and keeps the plan of each statement, as it is without knowing its values. */
function planned(client: pg.Client): { readonly counted: Ask; readonly plans: string[] } {
  const plans: string[] = []
  const counted: Ask = async ({ text, values = [] }: Statement) => {
    await client.query('set plan_cache_mode = force_generic_plan')
    await client.query(`prepare counted as ${text}`)
    const given = values.map((value) => client.escapeLiteral(String(value))).join(', ')
    const explained = await client.query(`explain (costs off) execute counted (${given})`)
    await client.query('deallocate counted')
    plans.push(explained.rows.map((row) => String(row['QUERY PLAN'])).join('\n'))
    return (await client.query(text, [...values])).rows
  }
  return { counted, plans }
}

describe('counts for quotas', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  test('read no more than what is open, up to the quota', async () => {
    const { url } = await server.createDatabase()
    await (await createPostgresStore(url)).close()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      await client.query(EXECUTIONS)
      await client.query(TASKS)
      await client.query('vacuum analyze perdure.execution, perdure.task')
      const { counted, plans } = planned(client)
      assert.equal(await new PostgresReads(counted).countOpen('busy', 40), 40)
      assert.equal(await new PostgresReads(counted).countOpen('busy', 1000), 100)
      assert.equal(await new PostgresTaskReads(counted).countOpen('busy', 40), 40)
      assert.equal(await new PostgresTaskReads(counted).countOpen('busy', 1000), 150)
      const [open = '', , tasks = ''] = plans
      // Partitions of days without a row are read as they are.
      assert.match(open, /Index Only Scan using execution_rest_namespace_idx on execution_rest/)
      assert.match(tasks, /Index Only Scan using task_waiting on task/)
      assert.match(tasks, /Index Only Scan using task_delayed on task/)
    } finally {
      await client.end()
    }
  })
})
