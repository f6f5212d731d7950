// A token goes to the engine, and nowhere else: the client over HTTP follows no redirect.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { createClient, PerdureError, workflow } from '../../src/client.ts'

const order = workflow({ name: 'order', run: async () => 1 })

interface Listening extends AsyncDisposable {
  readonly url: string
  readonly asked: IncomingMessage[]
}

async function listening(
  answer: (path: string) => readonly [number, Record<string, string>, string],
): Promise<Listening> {
  const asked: IncomingMessage[] = []
  const server: Server = createServer((request, response) => {
    asked.push(request)
    const [status, headers, body] = answer(request.url ?? '')
    request.resume().on('end', () => response.writeHead(status, headers).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function told(result: Promise<unknown>): Promise<string> {
  try {
    await result
  } catch (error) {
    assert.ok(error instanceof PerdureError)
    return `${error.code} ${error.message}`
  }
  return assert.fail('it was answered')
}

const nodes = [200, { 'content-type': 'application/json' }, '{"nodes":[]}'] as const

describe('a redirect', () => {
  test('is not followed, whatever its status, and is said', async () => {
    await using thief = await listening(() => nodes)
    for (const status of [301, 302, 303, 307, 308]) {
      await using before = await listening((path) => [
        status,
        { location: `${thief.url}${path}?of=secret` },
        '',
      ])
      const client = createClient({ url: before.url, token: 'secret' })
      for (const call of [() => client.nodes.list(), () => client.start(order, undefined, { id: 'one' })]) {
        const text = await told(call())
        assert.match(
          text,
          /PROTOCOL_INVALID (GET|POST) \/v1\/\w+ was redirected to http:\/\/127\.0\.0\.1:\d+\/v1\//,
        )
        assert.match(text, /no redirect is followed: a token would be sent there/)
        assert.equal(text.includes('secret'), false)
      }
      assert.equal(before.asked.length, 2, 'it is not asked again')
      assert.equal(before.asked[0]?.headers.authorization, 'Bearer secret')
    }
    assert.equal(thief.asked.length, 0)
  })

  test('to another path of the same server is none that is followed either', async () => {
    await using before = await listening((path) =>
      path.startsWith('/there') ? nodes : [308, { location: `/there${path}` }, ''],
    )
    assert.match(await told(createClient({ url: before.url }).nodes.list()), /was redirected elsewhere/)
    assert.equal(before.asked.length, 1)
  })

  test('is said where the runtime hides all else of it, as browsers do', async () => {
    const asked: RequestInit[] = []
    const hidden = Object.defineProperties(Response.error(), {
      type: { value: 'opaqueredirect' },
      status: { value: 0 },
    })
    const fetch = async (_: unknown, init: RequestInit = {}) => {
      asked.push(init)
      return hidden
    }
    const client = createClient({ url: 'http://127.0.0.1:1', fetch })
    assert.match(await told(client.nodes.list()), /PROTOCOL_INVALID GET \/v1\/nodes was redirected elsewhere/)
    assert.deepEqual(
      asked.map(({ redirect }) => redirect),
      ['manual'],
    )
  })

  test('that a fetch of the program has followed by itself is no answer', async () => {
    await using there = await listening(() => nodes)
    await using before = await listening((path) => [307, { location: `${there.url}${path}` }, ''])
    const client = createClient({
      url: before.url,
      fetch: (input, init) => fetch(input, { ...init, redirect: 'follow' }),
    })
    assert.match(await told(client.nodes.list()), /was redirected to http/)
  })
})
