import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RunId } from '../../protocol/ids.ts'
import type { AuditDraft, SealAudit } from './audit-rows.ts'
import { BatchBuilder } from './batch-builder.ts'
import type { RegistryRow } from './registry-rows.ts'

const session = { id: 3, incarnation: 'a' }
const A = 'a' as RunId
const B = 'b' as RunId

const draft = (entry: string): AuditDraft => ({ atMs: 5, namespace: 'n', entry, personal: null })
const row = (id: string, revision: number): RegistryRow => ({
  kind: 'role',
  namespace: '',
  id,
  revision,
  body: '{}',
  changedMs: revision,
  request: 'r',
})
/** A chain that nothing has been committed to. */
const seal: SealAudit = ({ id }, drafts) =>
  drafts.map((each, i) => ({ session: id, seq: i + 1, hash: `${i}`, ...each }))

describe('what a batch writes of the registry and the audit trail', () => {
  test('a batch without any has none of the lists', () => {
    const builder = new BatchBuilder()
    builder.run(A).dropTimer(1)
    const batch = builder.fold(session, 1, 5, () => assert.fail('there is nothing to seal'))
    for (const name of ['registry', 'audit', 'auditHeads', 'auditErased', 'auditDropped'])
      assert.ok(!(name in batch), name)
  })

  test('of an object the last write counts', () => {
    const builder = new BatchBuilder()
    builder.run(A).putRegistry(row('x', 1))
    builder.run(A).putRegistry(row('y', 1))
    builder.run(A).putRegistry(row('x', 2))
    assert.deepEqual(builder.fold(session, 1, 5).registry, [row('x', 2), row('y', 1)])
  })

  test('entries of several runs are sealed in the order in which they were made', () => {
    const builder = new BatchBuilder()
    builder.run(A).addAudit(draft('1'))
    builder.run(B).addAudit(draft('2'))
    builder.run(A).addAudit(draft('3'))
    const { audit = [] } = builder.fold(session, 1, 5, seal)
    assert.deepEqual(
      audit.map(({ session: of, seq, entry }) => [of, seq, entry]),
      [
        [3, 1, '1'],
        [3, 2, '2'],
        [3, 3, '3'],
      ],
    )
  })

  test('a part of a batch has the entries of its changes, and is sealed anew', () => {
    const builder = new BatchBuilder()
    builder.run(A).addAudit(draft('1'))
    builder.run(A).putRegistry(row('x', 1))
    builder.run(B).addAudit(draft('2'))
    const part = builder.only([B]).fold(session, 1, 5, seal)
    assert.deepEqual(part.audit, [{ session: 3, seq: 1, hash: '0', ...draft('2') }])
    assert.equal(part.registry, undefined)
    const rest = builder.without([B]).fold({ ...session, id: 4 }, 1, 5, seal)
    assert.deepEqual(rest.audit, [{ session: 4, seq: 1, hash: '0', ...draft('1') }])
    assert.deepEqual(rest.registry, [row('x', 1)])
  })

  test('the entry stays when its run is deleted in the same batch', () => {
    const builder = new BatchBuilder()
    builder.run(A).addAudit(draft('1'))
    builder.run(A).deleteRun({ namespace: 'n', workflowId: 'w' })
    assert.equal(builder.fold(session, 1, 5, seal).audit?.length, 1)
  })

  test('entries without a chain are a broken invariant', () => {
    const builder = new BatchBuilder()
    builder.run(A).addAudit(draft('1'))
    assert.throws(() => builder.fold(session, 1, 5), /no chain/)
  })

  test('of several drops of a chain the farthest counts, and what goes is not erased', () => {
    const builder = new BatchBuilder()
    builder.run(A).dropAudit({ session: 1, upToSeq: 4 })
    builder.run(B).dropAudit({ session: 1, upToSeq: 2 })
    for (const seq of [4, 5, 5]) builder.run(A).eraseAudit({ session: 1, seq })
    const { auditDropped, auditErased } = builder.fold(session, 1, 5)
    assert.deepEqual(auditDropped, [{ session: 1, upToSeq: 4 }])
    assert.deepEqual(auditErased, [{ session: 1, seq: 5 }])
  })

  test('it counts as rows and bytes of the batch', () => {
    const builder = new BatchBuilder()
    builder.run(A).addAudit({ ...draft('12345'), personal: '678' })
    builder.run(A).putRegistry(row('x', 1))
    const head = { number: 1, atMs: 1, body: '{}', signature: 'abc', keyId: 'k' }
    builder.run(A).addAuditHead(head)
    assert.equal(builder.rows, 3)
    assert.equal(builder.bytes, 3 * 64 + 8 + 2 + 5)
    assert.deepEqual(builder.fold(session, 1, 5, seal).auditHeads, [head])
  })
})
