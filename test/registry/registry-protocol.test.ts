/** Administrative objects are changed by nodes for one another, and by no client. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import {
  CLIENT_METHODS,
  CLIENT_PROTOCOL,
  CLIENT_PROTOCOL_2,
  clientMessagesOf,
} from '../../src/protocol/client-messages.ts'
import { nodeRequestsOf } from '../../src/protocol/node-messages.ts'
import { withEngine } from '../sdk/open-engine.ts'

const change = { kind: 'role', namespace: '', id: 'a', body: '{}', request: 'r' }
const call = { id: 1, method: 'registry.put', args: [change] }

describe('a change of an administrative object over a connection', () => {
  test('is a request of nodes', () => {
    const request = { ...call, to: 'incarnation' }
    assert.deepEqual(nodeRequestsOf(JSON.stringify([request])), [request])
    assert.throws(() => nodeRequestsOf(JSON.stringify([{ ...request, method: 'registry.get' }])), {
      code: 'PROTOCOL_INVALID',
    })
  })

  test('is none of a client', () => {
    assert.deepEqual(
      Object.keys(CLIENT_METHODS).filter((method) => method.startsWith('registry')),
      [],
    )
    assert.throws(() => clientMessagesOf(JSON.stringify([call]), () => assert.fail('it was answered')), {
      code: 'PROTOCOL_INVALID',
    })
  })

  for (const protocol of [CLIENT_PROTOCOL, CLIENT_PROTOCOL_2])
    test(`a client that sends one by ${protocol} is sent away, and nothing is changed`, () =>
      withEngine({}, async (_, { engine, listen }) => {
        const { url } = await listen({ port: 0 })
        const socket = new WebSocket(url, [protocol])
        await once(socket, 'open')
        socket.send(JSON.stringify([call]))
        const [code] = await once(socket, 'close')
        assert.equal(code, 1008)
        assert.deepEqual(engine.registry.list('role'), [])
        assert.deepEqual(await engine.options.store.registryRows({ limit: 10 }), [])
      }))

  test('an engine that is alone takes no requests of nodes', () =>
    withEngine({}, async (_, { engine, listen }) => {
      const { url } = await listen({ port: 0 })
      const socket = new WebSocket(url, ['perdure.node.v1'])
      const [error] = await once(socket, 'error')
      assert.match(String(error), /400|subprotocol|Unexpected server response/)
      assert.deepEqual(engine.registry.list('role'), [])
    }))
})
