// What a real Prometheus makes of it: a cluster under load is scraped, and each query of each dashboard and alert is asked.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dashboards } from '../../scripts/dashboards.ts'
import { createEngine, createWorker, type Engine, silentLogger, type Worker } from '../../src/index.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { PostgresServer } from '../postgres/server.ts'
import { metricOf, samplesOf } from './metrics-reader.ts'
import { ObservedLoad, tasks, workflows } from './observed-load.ts'
import { PrometheusServer, prometheusProgram, promtool } from './prometheus-server.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = join(root, 'docs', 'deploy')
const rules = join(folder, 'prometheus', 'perdure-alerts.yml')
const NODES = 3
const DATA_WITHIN_MS = 60_000

interface Shown {
  readonly dashboard: string
  readonly panel: string
  readonly query: string
}

interface PanelJson {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

function shownBy(file: string): readonly Shown[] {
  const { title, panels } = JSON.parse(readFileSync(file, 'utf8')) as { title: string; panels: PanelJson[] }
  return panels.flatMap(({ title: panel, targets = [] }) =>
    targets.map(({ expr }) => ({ dashboard: title, panel, query: expr })),
  )
}

/** What Grafana would ask. */
function filledIn(query: string): string {
  const filled = query
    .replaceAll('$__rate_interval', '10s')
    .replaceAll('$__range', '60s')
    .replaceAll('$job', 'perdure')
    .replaceAll('$namespace', '.*')
  assert.doesNotMatch(filled, /\$/, `a variable that is not known: ${query}`)
  return filled
}

function hostOf(url = ''): string {
  return new URL(url).host
}

/** How many series have a number, as soon as one has. */
async function seriesOf(prometheus: PrometheusServer, query: string): Promise<number> {
  const endMs = Date.now() + DATA_WITHIN_MS
  for (;;) {
    const found = await prometheus.query(query)
    const numbers = found.filter(({ value }) => !Number.isNaN(Number(value[1])))
    if (numbers.length > 0 || Date.now() > endMs) return numbers.length
    await sleep(500)
  }
}

const files = globSync(join(folder, 'grafana', '*.json')).toSorted()

describe('the dashboards', () => {
  test('are as scripts/dashboards.ts makes them', () => {
    assert.deepEqual(
      files.map((file) => basename(file)),
      [...dashboards.keys()].toSorted(),
    )
    for (const file of files)
      assert.deepEqual(
        JSON.parse(readFileSync(file, 'utf8')),
        JSON.parse(dashboards.get(basename(file)) ?? ''),
      )
  })
})

describe('a cluster that is scraped', {
  skip: 'missing' in prometheusProgram && prometheusProgram.missing,
}, () => {
  let database: PostgresServer
  let prometheus: PrometheusServer
  let worker: Worker
  let load: ObservedLoad
  const engines: Engine[] = []

  before(async () => {
    database = await PostgresServer.start({ settings: { fsync: 'off' } })
    const settings = { store: database.url(), workflows, logger: silentLogger, cluster: {} }
    for (let node = 0; node < NODES; node++)
      engines.push(await createEngine({ ...settings, cluster: { name: `node-${node}` } }))
    worker = await createWorker({
      url: engines.map(({ url = '' }) => url),
      id: 'sender',
      tasks,
      concurrency: 6,
      logger: silentLogger,
    })
    load = new ObservedLoad(engines)
    await load.start()
    const targets = engines.map(({ url }) => hostOf(url))
    prometheus = await PrometheusServer.start(targets, { rules: [rules] })
  })

  after(async () => {
    await load.stop()
    await prometheus[Symbol.asyncDispose]()
    await worker.close()
    await Promise.all(engines.map((engine) => engine.close()))
    await database[Symbol.asyncDispose]()
  })

  const dataOf = (query: string): Promise<number> => seriesOf(prometheus, query)

  for (const file of files)
    for (const { dashboard, panel, query } of shownBy(file))
      test(`${dashboard}, ${panel}: ${query}`, async () => {
        assert.ok((await dataOf(filledIn(query))) > 0, 'there is no data')
      })

  test('each node was scraped, and nothing of what it says is refused', async () => {
    assert.equal(await dataOf(`sum(up{job="perdure"}) == ${NODES}`), 1)
    assert.deepEqual(await prometheus.faults(), [])
  })

  test('each alert rule can be evaluated', async () => {
    const endMs = Date.now() + DATA_WITHIN_MS
    let faults = await prometheus.ruleFaults()
    // Those that were not looked at yet are `unknown`.
    while (faults.length > 0 && Date.now() < endMs) {
      await sleep(500)
      faults = await prometheus.ruleFaults()
    }
    assert.deepEqual(faults, [])
    assert.equal(await dataOf('ALERTS{alertname="PerdureDeadLetters", alertstate="firing"}'), 1)
  })

  test('what Prometheus has is what the engine says, in both formats', async () => {
    const [engine] = engines
    assert.ok(engine)
    const open = engine.metricsText('application/openmetrics-text').text
    const plain = engine.metricsText().text
    const names = (text: string): string[] => [...new Set(samplesOf(text).map(({ name }) => name))].toSorted()
    assert.deepEqual(names(open), names(plain))
    assert.ok((metricOf(engine, 'perdure_commits_total', { outcome: 'committed' }) ?? 0) > 0)
    assert.equal(await dataOf(`sum(perdure_shards_owned) == 256`), 1)
    assert.equal(await dataOf(`sum(perdure_node_leader) == 1`), 1)
  })

  test('promtool has nothing to say against it', () => {
    for (const engine of engines) {
      const { status, said } = promtool(['check', 'metrics'], engine.metricsText().text)
      assert.equal(status, 0, said)
    }
    assert.notEqual(promtool(['check', 'metrics'], '# TYPE x_total gauge\nx_total 1\n').status, 0)
  })
})

describe('an engine that asks who calls', {
  skip: 'missing' in prometheusProgram && prometheusProgram.missing,
}, () => {
  test('is scraped with the key of a viewer, and not without', async () => {
    await using engine = await createEngine({ store: 'memory', workflows, logger: silentLogger, access: {} })
    const targets = [hostOf((await engine.listen()).url)]
    const admin = engine.access?.admin
    assert.ok(admin)
    const rights: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
    const { key } = await admin.createKey(rights, { name: 'prometheus', roles: ['viewer@*'] })
    await using known = await PrometheusServer.start(targets, { token: key })
    assert.equal(await seriesOf(known, 'perdure_node_info{job="perdure"}'), 1)
    assert.deepEqual(await known.faults(), [])
    await using stranger = await PrometheusServer.start(targets)
    assert.equal(await seriesOf(stranger, 'up{job="perdure"} == 0'), 1)
    assert.match((await stranger.faults()).join(), /401/)
  })
})
