/** Where an engine sees somebody call from. */
import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import type { createEngine } from '../../src/index.ts'

/** The address of a worker that connects like that, as the engine shows it. */
export async function addressThrough(
  url: string,
  engine: Awaited<ReturnType<typeof createEngine>>,
  options: ClientOptions,
): Promise<string> {
  const socket = new WebSocket(url, ['perdure.worker.v1'], options)
  try {
    await once(socket, 'open')
    socket.send(
      JSON.stringify([
        { type: 'hello', worker: 'far', namespace: 'default', tasks: ['nothing'], credits: 1 },
      ]),
    )
    const [first] = (await once(socket, 'message')) as [Buffer]
    const workers = await engine.workers()
    return workers.find(({ id }) => id === 'far')?.address ?? String(first)
  } finally {
    socket.terminate()
  }
}
