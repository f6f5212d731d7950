// Clients that wait for the end of something, and go away.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { silentLogger, workflow } from '../../src/index.ts'
import { CLIENT_PROTOCOL } from '../../src/protocol/client-messages.ts'
import { Client } from '../../src/sdk/client.ts'
import { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { gate, until } from '../tasks/task-fixtures.ts'

test('nobody is remembered who waited for a result, and cancelled the call or is gone', async () => {
  const { task: slow, open } = gate()
  const sleeping = workflow({ name: 'sleeping', run: (ctx) => ctx.sleep('1h') })
  const parts = await openEngine(
    { store: 'memory', tasks: [slow], workflows: [sleeping], logger: silentLogger, shutdownGrace: 0 },
    {},
  )
  await using engine = new EmbeddedEngine(parts)
  const { url } = await engine.listen()
  const handle = await new Client(parts.calls, parts.client).enqueue(slow, 'done', { id: 'slow' })
  await engine.start(sleeping, undefined, { id: 'asleep' })
  const { taskEnds, ends } = parts.engine
  const calls = [
    { id: 1, method: 'tasks.outcome', args: [{ namespace: 'default', id: 'slow' }] },
    { id: 2, method: 'outcome', args: [{ key: { namespace: 'default', workflowId: 'asleep' } }] },
  ]
  const connected = async (): Promise<WebSocket> => {
    const socket = new WebSocket(url, [CLIENT_PROTOCOL])
    await once(socket, 'open')
    socket.send(JSON.stringify(calls))
    await until(() => taskEnds.size === 1 && ends.size === 1)
    return socket
  }
  const gone = await connected()
  gone.terminate()
  await until(() => taskEnds.size === 0 && ends.size === 0)

  const cancelling = await connected()
  const failures: unknown[] = []
  cancelling.on('message', (data) => failures.push(...JSON.parse(String(data))))
  cancelling.send(JSON.stringify([{ cancel: 1 }, { cancel: 2 }]))
  await until(() => failures.length === 2)
  assert.deepEqual([taskEnds.size, ends.size], [0, 0])
  assert.match(JSON.stringify(failures), /CANCELLED/)
  cancelling.close()

  await until(() => open.length === 1)
  open[0]?.()
  assert.equal(await handle.result(), 'done')
})
