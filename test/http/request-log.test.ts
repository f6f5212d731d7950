/** At the level debug, each request is in the log of the node. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jsonLogger } from '../../src/index.ts'
import { HttpFixture } from './http-fixture.ts'

interface Line {
  readonly msg: string
  readonly requestId?: string
}

async function logged(level: 'debug' | 'info') {
  const lines: Line[] = []
  const logger = jsonLogger(level, (line) => void lines.push(JSON.parse(line)))
  const on = await HttpFixture.open({ store: 'memory', logger })
  const ask = async (id: string, method: string, path: string, body?: unknown): Promise<number> => {
    const headers = {
      'x-request-id': id,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(on.base + path, { method, headers, ...text })
    await response.text()
    return response.status
  }
  /** The answer may be there before its line. */
  const lineOf = async (id: string): Promise<Line> => {
    for (let i = 0; i < 400; i++) {
      const found = lines.find((line) => line.msg === 'a request was answered' && line.requestId === id)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return assert.fail(`${id} is not in the log`)
  }
  return { on, lines, ask, lineOf }
}

describe('the log of requests', () => {
  test('has id, method, route, status and caller of each, and no query', async () => {
    const { on, lines, ask, lineOf } = await logged('debug')
    await using _ = on
    const asked: [id: string, method: string, path: string, route: string | undefined, status: number][] = [
      ['list', 'GET', '/v1/executions?workflow=hush', '/v1/executions', 200],
      ['missing', 'GET', '/v1/executions/none?namespace=hush', '/v1/executions/:id', 404],
      ['nowhere', 'GET', '/v1/hush-hush', undefined, 404],
      ['method', 'PATCH', '/v1/executions', undefined, 405],
      ['malformed', 'GET', '/v1/executions/%E0%A4%A', undefined, 400],
      ['page', 'GET', '/openapi.json', '/openapi.json', 200],
    ]
    for (const [id, method, path, , status] of asked) assert.equal(await ask(id, method, path), status, id)
    assert.equal(
      await ask('start', 'POST', '/v1/executions', { id: 'a', workflow: 'quick', input: 'hush' }),
      201,
    )
    for (const [id, method, , route, status] of asked) {
      const line = await lineOf(id)
      assert.partialDeepStrictEqual(line, {
        level: 'debug',
        requestId: id,
        method,
        status,
        ...(route && { route }),
      })
    }
    assert.partialDeepStrictEqual(await lineOf('start'), {
      route: '/v1/executions',
      status: 201,
      caller: 'open',
    })
    assert.equal(typeof ((await lineOf('start')) as { ms?: unknown }).ms, 'number')
    assert.doesNotMatch(JSON.stringify(lines), /hush/)
  })

  test('has streams when they end', async () => {
    const { on, ask, lineOf } = await logged('debug')
    await using _ = on
    await ask('start', 'POST', '/v1/executions', { id: 'a', workflow: 'quick' })
    const headers = { accept: 'text/event-stream', 'x-request-id': 'stream' }
    const response = await fetch(`${on.base}/v1/executions/a/watch`, { headers })
    await response.text()
    assert.partialDeepStrictEqual(await lineOf('stream'), {
      route: '/v1/executions/:id/watch',
      status: 200,
    })
    assert.match(response.headers.get('content-type') ?? '', /event-stream/)
  })

  test('costs and says nothing at other levels', async () => {
    const { on, lines, ask } = await logged('info')
    await using _ = on
    assert.equal(await ask('list', 'GET', '/v1/executions'), 200)
    assert.equal(await ask('missing', 'GET', '/v1/executions/none'), 404)
    assert.deepEqual(lines, [])
  })
})
