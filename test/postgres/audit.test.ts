/** Calls that a node hands on to others: recorded by the session that owns what they are about, in the name of whoever called. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../../src/index.ts'
import type { ClientMethod } from '../../src/protocol/client-messages.ts'
import { AUDITED_METHODS } from '../../src/server/audit/audited-methods.ts'
import { administered } from '../../src/server/audit/audited-port.ts'
import { signingKey } from '../../src/server/audit/signing-key.ts'
import type { OpenedEngine } from '../../src/server/open-engine.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import {
  AUDITED_CALLS,
  asking,
  broken,
  failing,
  NAMESPACE,
  quick,
  waiting,
  work,
} from '../audit/audited-calls.ts'
import { entryOf, personalOf, temporaryFolder } from '../audit/audited-engine.ts'
import { keyIn, trailOf } from '../audit/trail-of.ts'
import { PostgresServer } from './server.ts'

const NODES = 3
const EACH = 4

interface Committed {
  readonly session: number
  readonly batch: Batch
}

describe('a cluster of three nodes', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function cluster(use: (nodes: OpenedEngine[], committed: Committed[], key: string) => Promise<void>) {
    const { url } = await server.createDatabase()
    using folder = temporaryFolder()
    const key = keyIn(folder.path)
    signingKey(key, silentLogger)
    const nodes: OpenedEngine[] = []
    const committed: Committed[] = []
    try {
      for (let i = 0; i < NODES; i++) {
        const node = await openEngine(
          {
            store: url,
            cluster: { name: `node-${i}` },
            workflows: [waiting, quick, failing, asking],
            tasks: [work, broken],
            logger: silentLogger,
            audit: { signingKeyFile: key },
          },
          {},
        )
        nodes.push(node)
        const { store } = node.engine.options
        const commit = store.commit.bind(store)
        store.commit = async (batch) => {
          const outcome = await commit(batch)
          if (outcome.outcome === 'committed') committed.push({ session: batch.session.id, batch })
          return outcome
        }
      }
      while (nodes.some(({ engine }) => engine.ownership.size === 0))
        await new Promise((resolve) => setTimeout(resolve, 20))
      await use(nodes, committed, key)
    } finally {
      await Promise.all(nodes.map((node) => node.close()))
    }
  }

  test('each call has one row, in the commit of its change, wherever that is made', () =>
    cluster(async (nodes, committed, key) => {
      const [first] = nodes
      assert.ok(first)
      const caller = { id: 'key:ann', kind: 'api-key', groups: [], address: '10.1.2.3', name: 'Ann' } as const
      const port = first.portOf(caller)
      const sessions = new Set<number>()
      for (const [method, prepare] of Object.entries(AUDITED_CALLS))
        for (let i = 0; i < EACH; i++) {
          const id = `${method}-${i}`
          const prepared = await prepare(first.calls, id)
          const from = committed.length
          await prepared.run(port)
          const rows = (): { row: NonNullable<Batch['audit']>[number]; batch: Batch; session: number }[] =>
            committed
              .slice(from)
              .flatMap(({ batch, session }) => (batch.audit ?? []).map((row) => ({ row, batch, session })))
              .filter(({ row }) => personalOf(row)?.caller === caller.id)
          const own = rows()
          const { action } = AUDITED_METHODS[method as keyof typeof AUDITED_METHODS]
          // A call about several tasks is made by those that own them.
          const isSpread = (['tasks.enqueue', 'tasks.retryMany'] as ClientMethod[]).includes(
            method as ClientMethod,
          )
          const counted = own.reduce((sum, { row }) => sum + (entryOf(row).count ?? 1), 0)
          assert.equal(counted, prepared.count ?? 1, `${id}: ${own.length} rows`)
          if (!isSpread) assert.equal(own.length, 1, id)
          for (const { row, batch, session } of own) {
            sessions.add(session)
            assert.equal(row.session, session)
            if (!isSpread) assert.ok(prepared.isIn(batch), `${id}: its change is in the same batch`)
            assert.equal(entryOf(row).action, action)
            assert.equal(entryOf(row).result, 'changed')
            assert.equal(entryOf(row).namespace, NAMESPACE)
            const { address, name, kind } = personalOf(row) ?? {}
            assert.deepEqual({ address, name, kind }, { address: '10.1.2.3', name: 'Ann', kind: 'api-key' })
          }
          assert.equal(new Set(own.map(({ row }) => entryOf(row).requestId)).size, 1)
        }
      assert.equal(sessions.size, NODES, 'all nodes have recorded something')
      // One of them signs, and all chains are named.
      for (const node of nodes) await node.audit?.sign()
      const { report, heads } = await trailOf(first.engine.options.store, key)
      assert.deepEqual(report.findings, [])
      assert.equal(report.unsigned, 0)
      assert.ok(report.chains >= NODES)
      assert.ok(heads.length >= 1)
    }))

  test('the end of a claimed task: one row, by the node that has the claim, whichever is told', () =>
    cluster(async (nodes, committed) => {
      const ask = async (at: number, path: string, body: object) => {
        const url = nodes[at % NODES]?.member?.url.replace('ws', 'http') ?? assert.fail()
        const response = await fetch(`${url}/v1${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
        const text = await response.text()
        assert.ok(response.ok, text)
        return text === '' ? undefined : JSON.parse(text)
      }
      const rows = () =>
        committed.flatMap(({ batch, session }) =>
          (batch.audit ?? [])
            .filter((row) => entryOf(row).action === 'CompleteTask')
            .map((row) => ({ row, batch, session })),
        )
      const tasks = 3 * NODES
      for (let i = 0; i < tasks; i++) {
        await ask(i, '/tasks', { name: 'far', queue: `far-${i}`, id: `far-${i}` })
        const wanted = { worker: 'w', tasks: ['far'], waitMs: 20_000 }
        const { claims } = await ask(i + 1, `/queues/far-${i}/claims`, wanted)
        await ask(i + 2, `/claims/${claims[0].token}/complete`, { result: i })
      }
      // What would come later, had the node that was told recorded it too.
      for (const { engine } of nodes) {
        engine.audit?.flush()
        await engine.committer.whenIdle()
      }
      const own = rows()
      assert.deepEqual(
        own.map(({ row }) => personalOf(row)?.resource),
        Array.from({ length: tasks }, (_, i) => `far-${i}`),
      )
      for (const { row, batch, session } of own) {
        assert.equal(row.session, session)
        assert.equal(entryOf(row).result, 'changed')
        assert.equal(personalOf(row)?.caller, 'open')
        assert.ok(batch.tasksUpdated.length > 0, 'the change is in the same batch')
      }
      assert.ok(new Set(own.map(({ session }) => session)).size > 1)
    }))

  test('administrative objects: one row, in the commit of the change, by the node that owns them', () =>
    cluster(async (nodes, committed) => {
      const caller = { id: 'key:ann', kind: 'api-key', groups: [], address: '10.1.2.3' } as const
      const sessions = new Set<number>()
      for (const [i, { engine }] of nodes.entries()) {
        const from = committed.length
        const by = { audit: engine.audit, caller, newRequestId: () => engine.newRunId() }
        const call = {
          action: 'ChangePolicy',
          namespace: '',
          resource: { type: 'Policy', id: `policy-${i}` },
          policies: ['admins'],
        }
        const key = { kind: 'policy', namespace: '', id: `policy-${i}` }
        await administered(by, call, () => engine.registry.put(key, { text: 'permit' }))
        const own = committed
          .slice(from)
          .flatMap(({ batch, session }) => (batch.audit ?? []).map((row) => ({ row, batch, session })))
          .filter(({ row }) => entryOf(row).action === 'ChangePolicy')
        assert.equal(own.length, 1)
        const [{ row, batch, session } = assert.fail()] = own
        sessions.add(session)
        assert.ok(batch.registry?.some(({ id }) => id === `policy-${i}`))
        assert.deepEqual([entryOf(row).result, entryOf(row).policies], ['changed', ['admins']])
        assert.deepEqual([personalOf(row)?.caller, personalOf(row)?.address], ['key:ann', '10.1.2.3'])
        engine.audit?.flush()
        await engine.committer.whenIdle()
      }
      assert.equal(sessions.size, 1)
      const rows = committed.flatMap(({ batch }) => batch.audit ?? [])
      assert.equal(rows.filter((row) => entryOf(row).action === 'ChangePolicy').length, nodes.length)
    }))

  test('what another node refuses is recorded there, once; and a drained node by the one that drains', () =>
    cluster(async (nodes) => {
      const [first, ...others] = nodes
      assert.ok(first)
      for (let i = 0; i < 12; i++) {
        const key = { namespace: NAMESPACE, workflowId: `none-${i}` }
        await assert.rejects(first.calls.cancel({ key }, ''), { code: 'EXECUTION_NOT_FOUND' })
      }
      const name = (await first.calls.nodes.list()).find(({ isHere }) => !isHere)?.node ?? ''
      await first.calls.nodes.drain(name)
      for (const node of nodes) {
        node.engine.audit?.flush()
        await node.engine.committer.whenIdle()
      }
      const { rows } = await trailOf(first.engine.options.store)
      const failed = rows.filter((row) => entryOf(row).action === 'CancelExecution')
      assert.equal(failed.length, 12)
      assert.ok(failed.every((row) => entryOf(row).code === 'EXECUTION_NOT_FOUND'))
      assert.ok(new Set(failed.map(({ session }) => session)).size > 1, 'others have recorded some')
      const drains = rows.filter((row) => entryOf(row).action === 'DrainNode')
      assert.deepEqual(
        drains.map((row) => [entryOf(row).result, personalOf(row)?.resource]),
        [['changed', name]],
      )
      assert.equal(others.length, NODES - 1)
    }))
})
