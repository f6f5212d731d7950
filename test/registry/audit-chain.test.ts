/** Entries of the audit trail and the changes that they record: in one commit, in one chain, whatever happens to the batch. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditChain } from '../../src/engine/audit-chain.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { NO_RUN } from '../../src/engine/no-run.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { AuditDraft, AuditRow } from '../../src/store/contract/audit-rows.ts'
import { type Store, UnknownCommitError } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { withEngine } from '../sdk/open-engine.ts'

const A = { kind: 'role', namespace: '', id: 'a' }
const OTHER_RUN = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as RunId

/** The simplest chain: numbers go on where the rows that were committed end. */
class CountedChain implements AuditChain {
  #last: Pick<AuditRow, 'session' | 'seq'> = { session: 0, seq: 0 }

  seal: AuditChain['seal'] = ({ id: session }, drafts) => {
    const after = this.#last.session === session ? this.#last.seq : 0
    return drafts.map((draft, i) => ({ session, seq: after + i + 1, hash: 'h', ...draft }))
  }

  committed(rows: readonly AuditRow[]): void {
    this.#last = rows.at(-1) ?? this.#last
  }
}

const draft = (entry: string): AuditDraft => ({ atMs: 1, namespace: '', entry, personal: null })

/** A change of the registry, and the entry that records it, in the open batch. */
async function recorded({ registry, committer }: Engine, entry: string): Promise<void> {
  const put = registry.put(A, entry)
  // The change is in the open batch when what it waits for before is done.
  while (committer.open.builder.isEmpty) await Promise.resolve()
  committer.writesFor(NO_RUN).addAudit(draft(entry))
  await put
}

async function withChain(
  commit: (batch: Parameters<Store['commit']>[0], inner: Store) => ReturnType<Store['commit']>,
  use: (engine: Engine, rows: () => Promise<string[]>) => Promise<void>,
): Promise<void> {
  const inner = createMemoryStore()
  const store: Store = Object.assign(Object.create(inner), {
    commit: (batch: Parameters<Store['commit']>[0]) => commit(batch, inner),
  })
  await withEngine({ store }, async (_, { engine }) => {
    Object.assign(engine.options, { audit: new CountedChain() })
    const first = engine.session.id
    await use(engine, async () =>
      (await inner.auditRows({ limit: 100 })).map(
        ({ session, seq, entry }) => `${session - first}.${seq} ${entry}`,
      ),
    )
  })
}

test('entries of one session after the other', () =>
  withChain(
    (batch, inner) => inner.commit(batch),
    async (engine, rows) => {
      await recorded(engine, '1')
      await recorded(engine, '2')
      assert.deepEqual(await rows(), ['0.1 1', '0.2 2'])
    },
  ))

test('of a batch that is refused the entries of what was done are there, without a gap', () =>
  withChain(
    (batch, inner) =>
      batch.timersDropped.length > 0
        ? Promise.resolve({ outcome: 'refused', reason: 'no' })
        : inner.commit(batch),
    async (engine, rows) => {
      await recorded(engine, '1')
      const guilty = engine.committer.writesFor(OTHER_RUN)
      guilty.dropTimer(1)
      guilty.addAudit(draft('never done'))
      await recorded(engine, '2')
      await recorded(engine, '3')
      assert.deepEqual(await rows(), ['0.1 1', '0.2 2', '0.3 3'])
      assert.equal(engine.registry.get('role', '', 'a')?.body, '3')
    },
  ))

for (const isIn of [true, false])
  test(`of a batch whose answer was lost, and which is ${isIn ? '' : 'not '}in`, () => {
    let isLost = false
    return withChain(
      async (batch, inner) => {
        if (!isLost) return inner.commit(batch)
        isLost = false
        if (isIn) await inner.commit(batch)
        throw new UnknownCommitError('lost')
      },
      async (engine, rows) => {
        await recorded(engine, '1')
        isLost = true
        await (isIn ? recorded(engine, '2') : assert.rejects(recorded(engine, '2'), { code: 'UNCOMMITTED' }))
        await recorded(engine, '3')
        assert.deepEqual(await rows(), isIn ? ['0.1 1', '0.2 2', '1.1 3'] : ['0.1 1', '1.1 3'])
        assert.equal(engine.registry.get('role', '', 'a')?.revision, isIn ? 3 : 2)
      },
    )
  })
