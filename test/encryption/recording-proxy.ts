/** Between workers or clients and an engine: keeps all frames, as text. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

export interface RecordingProxy extends AsyncDisposable {
  readonly url: string
  readonly frames: string[]
}

export async function recordingProxy(target: string): Promise<RecordingProxy> {
  const frames: string[] = []
  const server = new WebSocketServer({
    ...{ host: '127.0.0.1', port: 0 },
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  })
  server.on('connection', (near, request) => {
    const far = new WebSocket(target, near.protocol, {
      headers: { 'user-agent': String(request.headers['user-agent']) },
    })
    const early: string[] = []
    near.on('message', (data) => {
      frames.push(String(data))
      if (far.readyState === WebSocket.OPEN) far.send(String(data))
      else early.push(String(data))
    })
    far.on('open', () => {
      for (const frame of early) far.send(frame)
    })
    far.on('message', (data) => {
      frames.push(String(data))
      near.send(String(data))
    })
    far.on('close', () => near.close())
    near.on('close', () => far.close())
    far.on('error', () => near.terminate())
    near.on('error', () => far.terminate())
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${port}`,
    frames,
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
