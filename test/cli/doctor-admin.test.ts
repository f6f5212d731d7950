/** `perdure doctor` on administrative objects and the audit trail: what was changed by hand is found, and named. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import type { FindingCode } from '../../src/cli/doctor/finding.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { auditRow, type BatchRows, batchOf, registryRow } from '../contract/store-rows.ts'
import { damage, perdure, temporaryDirectory } from './store-fixture.ts'

const directory = temporaryDirectory()
after(() => directory.remove())

let files = 0
async function fileWith(...batches: readonly BatchRows[]): Promise<string> {
  files += 1
  const path = join(directory.path, `admin-${files}.db`)
  const store = createSqliteStore(path)
  const { session } = await store.register({ node: 'n', incarnation: 'a', nowMs: 1 })
  for (const [i, rows] of batches.entries())
    assert.deepEqual(await store.commit(batchOf(session, i + 1, rows)), { outcome: 'committed' })
  await store.close()
  return path
}

const ROWS: BatchRows = {
  registry: [registryRow('a'), registryRow('b', { namespace: 'shop', revision: 2, body: null })],
  audit: [...[1, 2, 3, 4].map((seq) => auditRow(1, seq)), auditRow(2, 1)],
}

describe('administrative objects and the audit trail', () => {
  test('a sound file says what it holds', async () => {
    const path = await fileWith(ROWS, { auditDropped: [{ session: 1, upToSeq: 2 }] })
    const { code, stdout } = await perdure(['doctor', path])
    assert.equal(code, 0)
    assert.match(stdout, /^ok +registry +2 administrative objects, every row as it should be/m)
    assert.match(stdout, /^ok +audit +3 rows, no chain has a gap/m)
  })

  test('a chain that was dropped as a whole goes on from there', async () => {
    const path = await fileWith(
      ROWS,
      { auditDropped: [{ session: 1, upToSeq: 4 }] },
      { audit: [auditRow(1, 5)] },
    )
    assert.deepEqual((await auditFile(path)).findings, [])
  })

  const cases: [how: string, code: FindingCode, sql: string, detail: RegExp][] = [
    [
      'no revision',
      'registry-row',
      "update registry set revision = 0 where id = 'a'",
      /^api-key a: its revision is 0/,
    ],
    [
      'a body that is no JSON',
      'registry-row',
      "update registry set body = '{' where id = 'b'",
      /^api-key shop b: its text is no JSON/,
    ],
    [
      'a row of the middle is gone',
      'audit-gap',
      'delete from audit where session = 1 and seq in (2, 3)',
      /^session 1: of its rows 1 to 4 2 are missing/,
    ],
    [
      'the first row is gone',
      'audit-gap',
      'delete from audit where session = 1 and seq = 1',
      /^session 1: its first row is number 2, and not 1/,
    ],
    [
      'what was dropped is forgotten',
      'audit-gap',
      'delete from audit where session = 1 and seq < 3; delete from audit_dropped',
      /^session 1: its first row is number 3/,
    ],
  ]
  for (const [how, code, sql, detail] of cases)
    test(how, async () => {
      const path = await fileWith(ROWS)
      damage(path, sql)
      const { findings } = await auditFile(path)
      assert.equal(findings[0]?.code, code)
      assert.match(findings[0].detail, detail)
      const { code: exitCode, stdout } = await perdure(['doctor', path])
      assert.equal(exitCode, 1)
      assert.match(
        stdout,
        new RegExp(`^problem +${code === 'audit-gap' ? 'audit' : 'registry'} +1 finding`, 'm'),
      )
      assert.match(stdout, /^ok +journals/m)
    })
})
