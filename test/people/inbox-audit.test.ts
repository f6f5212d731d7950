/** `perdure doctor` holds the inboxes against the journals. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import { createEngine, silentLogger } from '../../src/index.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { ann, approving, asking, openTask, question } from './people-fixtures.ts'

test('inboxes that say something else than the journals are found', async () => {
  using file = temporaryFile('inbox.db')
  const settings = { workflows: [asking, approving], logger: silentLogger, shutdownGrace: 0 } as const
  const engine = await createEngine({ store: `sqlite:${file.path}`, ...settings })
  await engine.start(
    asking,
    { ...question, dueIn: '1h', escalate: { after: '10m', users: ['mia'] } },
    { id: 'a' },
  )
  await engine.start(asking, question, { id: 'b' })
  await engine.start(approving, { title: 'x', approvers: ['ann', { groups: ['it'] }] }, { id: 'c' })
  const first = await openTask(engine.people, 'a')
  await engine.people.claim(first, ann)
  await engine.people.approve(await openTask(engine.people, 'c'), ann)
  await engine.people.complete(await openTask(engine.people, 'b'), ann)
  await engine.close()
  const clean = await auditFile(file.path)
  assert.deepEqual([clean.findings, clean.counts.humanTasks, clean.counts.timers], [[], 2, 1])
  const found = async (sql: string): Promise<string> => {
    const database = new DatabaseSync(file.path)
    database.exec(`begin; ${sql}`)
    database.exec('commit')
    const { findings, inboxFindingCount } = await auditFile(file.path)
    assert.equal(inboxFindingCount, findings.length)
    database.close()
    return findings.map(({ workflowId, detail }) => `${workflowId}: ${detail}`).join('\n')
  }
  assert.match(
    await found(`delete from human_offer where inbox = 'u:ann'`),
    /a: .* is in the inboxes \*, e:a, the journal says/,
  )
  assert.match(
    await found(`update human_task set rank = '9' where workflow_id = 'c'`),
    /c: .* has the rank 9, the journal makes it 4/,
  )
  assert.match(
    await found(`delete from human_task where workflow_id = 'c'`),
    /c: .* is open, and in no inbox/,
  )
  assert.match(
    await found(`update human_task set run_id = '0' || substr(run_id, 2, 24) || 'Z' where workflow_id = 'a'`),
    /undefined: inboxes have human tasks of a run that is not there/,
  )
})
