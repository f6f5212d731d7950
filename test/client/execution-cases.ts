/** What a client does with executions. */
import assert from 'node:assert/strict'
import { type PerdureError, query } from '../../src/client.ts'
import {
  add,
  approving,
  broken,
  type Case,
  counting,
  echo,
  eventually,
  failing,
  go,
  healed,
  refused,
  rich,
  total,
  waiting,
} from './conformance-parts.ts'

export const executionCases: readonly Case[] = [
  {
    name: 'start, and the result of rich values',
    run: async (client) => {
      const execution = await client.start(echo, rich)
      assert.deepEqual(await execution.result(), rich)
      assert.equal(await (await client.start(echo, undefined)).result(), undefined)
      assert.equal(await (await client.start(echo, null)).result(), null)
    },
  },
  {
    name: 'ids of any characters',
    run: async (client) => {
      for (const id of ['a/b c?d#e%2F', 'ä€😀', '...', '\u0001', 'x&runId=y', 'n'.repeat(512)]) {
        const execution = await client.start(echo, id, { id })
        assert.equal(execution.id, id)
        assert.equal(await client.execution(echo, id).result(), id)
        assert.equal((await execution.describe()).id, id)
      }
    },
  },
  {
    name: 'conflict policies',
    run: async (client) => {
      const id = 'conflicts'
      const first = await client.start(waiting, 1, { id })
      assert.equal((await client.start(waiting, 2, { id })).runId, first.runId)
      await assert.rejects(client.start(waiting, 3, { id, onConflict: 'fail' }), refused('EXECUTION_EXISTS'))
      const second = await client.start(waiting, 4, { id, onConflict: 'terminate-existing' })
      assert.notEqual(second.runId, first.runId)
      assert.equal((await first.describe()).status, 'terminated')
      await second.signal(go, 'on')
      assert.deepEqual(await second.result(), { input: 4, came: 'on', sum: 0 })
    },
  },
  {
    name: 'signal, once for each request id, and a result that is waited for',
    run: async (client) => {
      const execution = await client.start(waiting, rich, { id: 'signals' })
      const result = execution.result()
      await execution.signal(go, rich, { requestId: 'ä 1' })
      assert.deepEqual(await result, { input: rich, came: rich, sum: 0 })
      await assert.rejects(execution.signal(go, 1), refused('EXECUTION_CLOSED'))
      const events = await execution.history()
      assert.equal(events.filter(({ event }) => event.type === 'signal-received').length, 1)
    },
  },
  {
    name: 'signalWithStart',
    run: async (client) => {
      const options = { id: 'with start', requestId: 'once' }
      const first = await client.signalWithStart(waiting, 1, go, 'hello', options)
      assert.deepEqual(await first.result(), { input: 1, came: 'hello', sum: 0 })
      const again = await client.signalWithStart(waiting, 1, go, 'hello', options)
      assert.equal(again.runId, first.runId)
      const other = { id: 'with start', requestId: 'twice', onConflict: 'terminate-existing' } as const
      const next = await client.signalWithStart(waiting, 2, go, 'again', other)
      assert.notEqual(next.runId, first.runId)
      assert.deepEqual(await next.result(), { input: 2, came: 'again', sum: 0 })
    },
  },
  {
    name: 'query and update, and how they fail',
    run: async (client) => {
      const execution = await client.start(waiting, 1, { id: 'asked' })
      assert.equal(await execution.update(add, 3, { updateId: 'one' }), 3)
      assert.equal(await execution.update(add, 3, { updateId: 'one' }), 3)
      assert.equal(await execution.query(total), 3)
      await assert.rejects(execution.update(add, -1), (error: PerdureError) => {
        assert.equal(error.code, 'UPDATE_REJECTED')
        assert.equal((error.cause as Error).name, 'TypeError')
        return true
      })
      await assert.rejects(execution.query(broken), (error: PerdureError) => {
        assert.equal(error.code, 'QUERY_FAILED')
        assert.match(error.message, /query 'broken' failed/)
        assert.equal((error.cause as Error).message, 'out of range')
        return true
      })
      await assert.rejects(execution.query(query('other')), refused('QUERY_UNKNOWN'))
    },
  },
  {
    name: 'cancel, terminate, delete',
    run: async (client) => {
      const one = await client.start(waiting, 1, { id: 'to cancel' })
      await one.cancel('because')
      await assert.rejects(one.result(), (error: Error & { status?: string }) => {
        assert.equal(error.name, 'ExecutionFailedError')
        assert.match((error.cause as Error).message, /because/)
        return true
      })
      assert.equal((await one.describe()).status, 'cancelled')
      const two = await client.start(waiting, 2, { id: 'to terminate' })
      await assert.rejects(two.delete(), refused('EXECUTION_OPEN'))
      await two.terminate('')
      assert.equal((await two.describe()).status, 'terminated')
      await assert.rejects(two.terminate(), refused('EXECUTION_CLOSED'))
      await two.delete()
      await assert.rejects(two.describe(), refused('EXECUTION_NOT_FOUND'))
    },
  },
  {
    name: 'failure, with what has led to it, and retry',
    run: async (client) => {
      const id = `failing ${Math.random()}`
      const execution = await client.start(failing, id, { id })
      await assert.rejects(execution.result(), (error: Error) => {
        const cause = error.cause as Error
        assert.deepEqual([cause.name, cause.message], ['RangeError', 'out of range'])
        assert.equal((cause.cause as Error).name, 'TypeError')
        assert.match(cause.stack ?? '', /conformance-parts/)
        return true
      })
      const { error, status } = await execution.describe()
      assert.deepEqual([status, error?.name], ['failed', 'RangeError'])
      healed.add(id)
      await execution.retry()
      assert.equal(await execution.result(), 'healed')
      await assert.rejects(execution.retry(), refused('RETRY_IMPOSSIBLE'))
    },
  },
  {
    name: 'the result of the last of many runs',
    run: async (client) => assert.equal(await (await client.start(counting, 5)).result(), 'done'),
  },
  {
    name: 'describe and explain what waits',
    run: async (client) => {
      const execution = await client.start(approving, undefined, {
        id: 'waits',
        attributes: { a: 1, b: null },
      })
      const told = await eventually(async () => {
        const found = await execution.describe()
        return found.pending.length > 0 ? found : undefined
      })
      assert.deepEqual(told.attributes, { a: 1, b: null })
      assert.ok(told.startedAt instanceof Date && told.closedAt === undefined)
      assert.deepEqual(
        told.pending.map(({ kind, name }) => [kind, name]),
        [['human', 'Check it']],
      )
      assert.equal((await execution.explain()).reason, 'human')
      await execution.terminate()
    },
  },
  {
    name: 'watch a history to its end, or until it is enough',
    run: async (client) => {
      const execution = await client.start(waiting, rich, { id: 'watched' })
      const types: string[] = []
      const watched = (async () => {
        for await (const { event } of execution.watch()) types.push(event.type)
      })()
      await eventually(async () => (types.length > 0 ? true : undefined))
      const enough = new AbortController()
      const cut = (async () => {
        for await (const _ of execution.watch({ afterSeq: 1000, signal: enough.signal })) assert.fail()
      })()
      setTimeout(() => enough.abort(), 50)
      await cut
      await execution.signal(go, rich)
      await watched
      const history = await execution.history()
      assert.deepEqual(
        types,
        history.map(({ event }) => event.type),
      )
      assert.equal(types.at(-1), 'execution-completed')
      const rest: number[] = []
      for await (const { seq } of client.execution(waiting, 'watched').watch({ afterSeq: 1 })) rest.push(seq)
      assert.deepEqual(
        rest,
        history.slice(1).map(({ seq }) => seq),
      )
    },
  },
  {
    name: 'list, by attributes and in pages',
    run: async (client) => {
      for (const id of ['l1', 'l2', 'l3'])
        await client.start(echo, 1, { id, attributes: { of: 'a, "list"', n: 1 } })
      await client.start(echo, 1, { id: 'l4', attributes: { of: 'another' } })
      const query = { attributes: { of: 'a, "list"' }, workflow: echo, limit: 2 } as const
      const first = await client.list(query)
      assert.ok(first.cursor !== undefined)
      const second = await client.list({ ...query, cursor: first.cursor })
      assert.deepEqual(
        [...first.executions, ...second.executions].map(({ id }) => id),
        ['l3', 'l2', 'l1'],
      )
      assert.equal(second.cursor, undefined)
      await client.execution(echo, 'l4').result()
      const done = await client.list({ status: ['completed', 'failed'], limit: 5000, startedFrom: 0 })
      assert.ok(done.executions.some(({ id }) => id === 'l4'))
    },
  },
]
