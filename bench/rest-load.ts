/** What callers do to a server over HTTP, on sockets of our own: a client that reads less than a library measures the server. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import { LatencyHistogram } from './latency-histogram.ts'

export interface Target {
  readonly port: number
  readonly key: string
}

export interface LoadMeasures {
  readonly perSecond: number
  readonly p99Ms: number
}

const HEAD_END = '\r\n\r\n'
/** Of a request that is not to be ended. */
const DEPTH = 5000
const OVERSIZED = 64 * 1024 * 1024

export function requestText({ port, key }: Target, method: string, path: string, body?: string): string {
  const length =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n${length}\r\n${body ?? ''}`
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** The next answer. */
async function answer(
  socket: Socket,
  chunks: AsyncIterator<Buffer>,
): Promise<{ readonly status: number; readonly text: string }> {
  let text = ''
  for (;;) {
    const end = text.indexOf(HEAD_END)
    if (end >= 0) {
      const [, length] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
      if (text.length >= end + HEAD_END.length + Number(length ?? 0))
        return { status: Number(text.slice(9, 12)), text }
    }
    const { value, done } = await chunks.next()
    if (done === true) throw new Error(`the server has closed a connection after: ${text}`)
    text += (value as Buffer).toString('latin1')
    if (socket.destroyed) throw new Error('a connection was lost')
  }
}

/** So many connections, each with one request at a time, until the time is over. @throws Error for another status */
export async function load(
  target: Target,
  connections: number,
  untilMs: number,
  { status, request }: { readonly status: number; readonly request: () => string },
): Promise<LoadMeasures> {
  const latencies = new LatencyHistogram()
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(target.port)))
  const beganMs = performance.now()
  const one = async (socket: Socket): Promise<void> => {
    const chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    while (performance.now() < untilMs) {
      const sentMs = performance.now()
      socket.write(request())
      const found = await answer(socket, chunks)
      if (found.status !== status) throw new Error(`answered ${found.text}, not with ${status}`)
      latencies.record(performance.now() - sentMs)
    }
    socket.destroy()
  }
  await Promise.all(sockets.map(one))
  const seconds = (performance.now() - beganMs) / 1000
  return { perSecond: latencies.count / seconds, p99Ms: latencies.quantileMs(0.99) }
}

/** Follows one execution; resolves when the stream has begun. */
export async function watcher(target: Target, id: string): Promise<Socket> {
  const socket = await open(target.port)
  socket.write(requestText(target, 'GET', `/v1/executions/${id}/watch`))
  const [first] = (await once(socket, 'data')) as [Buffer]
  if (!first.toString().startsWith('HTTP/1.1 200')) throw new Error(first.toString())
  socket.resume()
  return socket
}

export async function remoteWorker({ port, key }: Target): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, ['perdure.worker.v1'], {
    headers: { authorization: `Bearer ${key}` },
  })
  await once(socket, 'open')
  socket.send(JSON.stringify([{ type: 'hello', namespace: 'default', tasks: ['never'], credits: 1 }]))
  const [first] = (await once(socket, 'message')) as [Buffer]
  if (!String(first).includes('welcome')) throw new Error(String(first))
  return socket
}

/** A request that no program of good will makes: too large, too deep, malformed, or never ended. The server may cut it. */
export async function badRequest(target: Target, index: number): Promise<void> {
  const socket = connect({ port: target.port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.resume()
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  const kind = index % 4
  if (kind === 0)
    socket.write(
      requestText(target, 'POST', '/v1/executions', '').replace(
        'content-length: 0',
        `content-length: ${OVERSIZED}`,
      ) + 'x'.repeat(65_536),
    )
  else if (kind === 1)
    socket.write(requestText(target, 'POST', '/v1/executions', `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`))
  else if (kind === 2) socket.write('NONSENSE / HTTP/9.9\r\n\0\r\n\r\n')
  else socket.write('POST /v1/executions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ')
  const timer = setTimeout(() => socket.destroy(), kind === 3 ? 2000 : 500)
  await closed
  clearTimeout(timer)
}
