/** What a client of the tests does while nodes die, and what must hold of the database in the end. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RemoteClient } from '../../src/index.ts'
import { expectedOf, go, parentOf } from './cluster-workload.ts'
import type { PostgresServer } from './server.ts'

export interface Client {
  readonly remote: RemoteClient
  acknowledged: number
  completed: number
  readonly errors: string[]
  /** The test has ended: nobody is asked any more. */
  isAbandoned: boolean
}

/** One execution after the other; each is waited for. */
export async function work(client: Client, loop: number, isOver: () => boolean): Promise<void> {
  for (let i = 0; !isOver(); i++) {
    const value = loop * 1000 + i
    const id = `parent-${loop}-${i}`
    try {
      const execution = await again(client, () => client.remote.start(parentOf, value, { id }))
      client.acknowledged += 1
      await again(client, () => execution.signal(go, 7, { requestId: `go-${id}` }))
      const result = await execution.result()
      if (result !== expectedOf(value, 7)) client.errors.push(`${id}: ${result}`)
      client.completed += 1
    } catch (error) {
      client.errors.push(`${id}: ${error}`)
      return
    }
  }
}

/** A client whose node is lost before it has answered asks another one. */
async function again<T>(client: Client, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      if (client.isAbandoned || (code !== 'CONNECTION_LOST' && code !== 'ENGINE_CLOSED')) throw error
    }
    await sleep(20)
  }
}

/** What the journal in the database says, with all rows of one run together. */
export async function journalsOf(
  server: PostgresServer,
  database: string,
): Promise<Map<string, { seq: number; type: string }[]>> {
  const rows = await server.query(
    'select run_id, seq, events from perdure.journal order by run_id, seq',
    [],
    database,
  )
  const runs = new Map<string, { seq: number; type: string }[]>()
  for (const { run_id, seq, events } of rows) {
    const run = runs.get(run_id) ?? []
    runs.set(run_id, run)
    for (const [index, { type }] of (JSON.parse(events) as { type: string }[]).entries())
      run.push({ seq: seq + index, type })
  }
  return runs
}

/** Each journal without gaps and with one end, and nothing left of it. */
export async function checkDatabase(server: PostgresServer, database: string): Promise<void> {
  const runs = await journalsOf(server, database)
  for (const [runId, events] of runs) {
    assert.deepEqual(
      events.map(({ seq }) => seq),
      events.map((_, index) => index + 1),
      `gaps in ${runId}`,
    )
    const ends = events.filter(({ type }) => /^execution-(completed|failed|cancelled|terminated)$/.test(type))
    assert.deepEqual(ends, [{ seq: events.length, type: 'execution-completed' }], runId)
  }
  // What is acknowledged between nodes takes a moment to be forgotten.
  for (let i = 0; i < 100; i++) {
    const [left] = await server.query('select count(*)::int as n from perdure.outbox', [], database)
    if (left?.n === 0) break
    await sleep(50)
  }
  for (const table of ['outbox', 'task', 'timer']) {
    const [left] = await server.query(`select count(*)::int as n from perdure.${table}`, [], database)
    assert.equal(left?.n, 0, `rows left in ${table}`)
  }
}
