import assert from 'node:assert/strict'
import { totalmem } from 'node:os'
import { test } from 'node:test'
import { loadProbe, memoryBytes } from './load-probe.ts'

test('memory is a share of the limit of the process, or of the machine if it has none', () => {
  assert.equal(memoryBytes(512, 4096), 512)
  for (const none of [0, 2 ** 64 - 4096, 2 ** 63, 8192]) assert.equal(memoryBytes(none, 4096), 4096)
})

test('this process uses a share of the memory that can be measured', () => {
  const probe = loadProbe()
  const { memory } = probe.read()
  probe.stop()
  assert.ok(memory > (process.memoryUsage.rss() / totalmem()) * 0.5, `${memory}`)
})
