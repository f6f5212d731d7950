// The table of metrics in the docs is that of the code.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ClusterNode } from '../../src/engine/cluster/cluster-node.ts'
import type { Metric } from '../../src/platform/metrics.ts'
import { failedLoginsCounter } from '../../src/server/access/failed-logins.ts'
import { clusterMetrics } from '../../src/server/metrics/cluster-metrics.ts'
import { storeMetrics } from '../../src/server/metrics/store-metrics.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { PostgresStore } from '../../src/store/postgres/postgres-store.ts'

const page = join(import.meta.dirname, '..', '..', 'docs', 'operations.md')

function rowOf({ name, kind, labels, help }: Metric): string {
  return `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`
}

test('each metric is in the table of docs/operations.md, and nothing else is', async () => {
  const opened = await openEngine({ store: 'memory', workflows: [] }, {})
  try {
    const registry = opened.engine.options.metrics?.registry
    assert.ok(registry)
    // What only an engine with access has.
    failedLoginsCounter(registry)
    // What only a node of a cluster on PostgreSQL has; nothing is read of them here.
    clusterMetrics(registry, {} as ClusterNode)
    storeMetrics(registry, { shownCounts: {}, connections: [] } as unknown as PostgresStore)
    const rows = readFileSync(page, 'utf8')
      .split('\n')
      .filter((line) => /^\| `(perdure|process|nodejs)_/.test(line))
    assert.deepEqual(rows, registry.list().map(rowOf))
  } finally {
    await opened.close()
  }
})
