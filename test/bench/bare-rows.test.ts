import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { type LanesOrder, runBareLanes, runEngineLanes, storeFile } from '../../bench/lanes.ts'
import { LatencyHistogram } from '../../bench/latency-histogram.ts'
import { measureBareStarts, measureStarts } from '../../bench/sleepers-run.ts'
import { PostgresServer } from '../postgres/server.ts'

const parent = mkdtempSync(join(tmpdir(), 'perdure-bare-rows-'))
after(() => rmSync(parent, { recursive: true, force: true }))

const directory = (): string => mkdtempSync(join(parent, 'store-'))

/** All rows of the first execution. Times, and ids of runs, which no two runs share, are named instead. */
function rowsOf(path: string): Record<string, unknown> {
  const database = new DatabaseSync(storeFile(path), { readOnly: true })
  const runId = String(database.prepare('select min(run_id) as first from execution').get()?.first)
  const rows: Record<string, unknown> = {}
  for (const table of ['execution', 'current', 'journal', 'timer']) {
    const found = database.prepare(`select * from ${table} where run_id = ? order by 1, 2, 3`).all(runId)
    rows[table] = found.map((row) =>
      JSON.stringify(row)
        .replaceAll(runId, 'RUN')
        .replaceAll(/\d{13}/g, 'TIME'),
    )
  }
  database.close()
  return rows
}

for (const workflow of ['steps', 'fanout'] as const) {
  test(`the bare loop writes the rows that the engine writes: ${workflow}`, async () => {
    const order = (): LanesOrder => ({
      workflow,
      store: 'sqlite',
      directory: directory(),
      inFlight: 1,
      extent: { executions: 3 },
    })
    const [engine, bare] = [order(), order()]
    await runEngineLanes(engine)
    await runBareLanes(bare)
    assert.deepEqual(rowsOf(bare.directory), rowsOf(engine.directory))
  })
}

for (const workflow of ['steps', 'fanout'] as const) {
  test(`the bare loop writes the rows that the engine writes, on PostgreSQL: ${workflow}`, async () => {
    await using server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const [engine, bare] = [await server.createDatabase(), await server.createDatabase()]
    const order = (database: string): LanesOrder => ({
      workflow,
      store: 'postgres',
      database,
      directory: parent,
      inFlight: 1,
      extent: { executions: 3 },
    })
    await runEngineLanes(order(engine.url))
    await runBareLanes(order(bare.url))
    assert.deepEqual(await postgresRowsOf(server, bare.name), await postgresRowsOf(server, engine.name))
  })
}

async function postgresRowsOf(server: PostgresServer, database: string): Promise<Record<string, unknown>> {
  const [first] = await server.query('select min(run_id) as id from perdure.execution', [], database)
  const rows: Record<string, unknown> = {}
  for (const table of ['execution', 'current', 'journal', 'timer']) {
    const sql = `select * from perdure.${table} where run_id = $1 order by 1, 2, 3`
    rows[table] = (await server.query(sql, [first?.id], database)).map((row) =>
      JSON.stringify(row)
        .replaceAll(first?.id, 'RUN')
        .replaceAll(/\d{13}/g, 'TIME'),
    )
  }
  return rows
}

test('the bare loop writes the rows that the engine writes: sleepers', async () => {
  const order = () => ({ directory: directory(), inFlight: 1, executions: 5, group: 'order' })
  const [engine, bare] = [order(), order()]
  await measureStarts(engine)
  await measureBareStarts(bare)
  assert.deepEqual(rowsOf(bare.directory), rowsOf(engine.directory))
})

test('the bare loop is at most 150 lines', () => {
  const lines = readFileSync(join(import.meta.dirname, '..', '..', 'bench', 'bare-loop.ts'), 'utf8').split(
    '\n',
  )
  assert.ok(lines.length - 1 <= 150, `${lines.length - 1} lines`)
})

test('quantiles of latencies are right to 1 %', () => {
  const latency = new LatencyHistogram()
  assert.equal(latency.quantileMs(0.5), 0)
  for (let i = 1; i <= 10_000; i++) latency.record(i / 100)
  assert.equal(latency.count, 10_000)
  for (const share of [0.01, 0.5, 0.99, 1]) {
    const exact = share * 100
    assert.ok(
      Math.abs(latency.quantileMs(share) - exact) <= exact * 0.01,
      `${share}: ${latency.quantileMs(share)}`,
    )
  }
})
