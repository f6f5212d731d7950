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
  readonly count: number
  readonly perSecond: number
  readonly p99Ms: number
  /** The share of the time that the load itself was busy: near 1, it was the load that was measured. */
  readonly busy: number
}

const HEAD_END = '\r\n\r\n'
/** Of the digits, in `HTTP/1.1 201`. */
const STATUS_AT = 9
const READ_BYTES = 16_384
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

/** Takes the answers of one connection, which come one at a time. */
class Answers {
  readonly #onAnswer: (status: number) => void
  /** Of an answer that has not come whole yet. */
  #rest: Buffer | undefined

  constructor(onAnswer: (status: number) => void) {
    this.#onAnswer = onAnswer
  }

  /** Of what could not be understood, for people. */
  get rest(): string {
    return this.#rest?.toString('latin1') ?? ''
  }

  take(bytes: Buffer): void {
    const all = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes])
    const head = all.indexOf(HEAD_END)
    if (head >= 0 && all.length >= head + HEAD_END.length + lengthOf(all.toString('latin1', 0, head))) {
      this.#rest = undefined
      this.#onAnswer(Number(all.toString('latin1', STATUS_AT, STATUS_AT + 3)))
    } else this.#rest = Buffer.from(all)
  }
}

function lengthOf(head: string): number {
  return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
}

interface Asked {
  readonly status: number
  readonly request: () => string
}

/** When to end: at a time of `performance.now()`, or after so many answers. */
export interface LoadEnd {
  readonly untilMs?: number
  readonly count?: number
}

/** One connection, with one request at a time. */
class Asker {
  readonly #socket: Socket
  readonly #asked: Asked
  readonly #answers: Answers
  readonly #opened = Promise.withResolvers<void>()
  readonly #over = Promise.withResolvers<void>()
  readonly #latencies: LatencyHistogram
  #isOver: (nowMs: number) => boolean = () => true
  #sentMs = 0

  constructor({ port }: Target, asked: Asked, latencies: LatencyHistogram) {
    this.#asked = asked
    this.#latencies = latencies
    this.#answers = new Answers((status) => this.#answered(status))
    // One buffer for all that comes, and no stream: what the load spends here, a server on the same machine does not get.
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    const callback = (bytes: number): boolean => {
      this.#answers.take(buffer.subarray(0, bytes))
      return true
    }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback } })
    this.#socket.once('connect', this.#opened.resolve)
    const fail = (error: Error): void => {
      this.#opened.reject(error)
      this.#over.reject(error)
    }
    this.#over.promise.catch(() => {})
    this.#socket.once('error', fail)
    this.#socket.once('close', () =>
      fail(new Error(`the server has closed a connection after: ${this.#answers.rest}`)),
    )
  }

  get opened(): Promise<void> {
    return this.#opened.promise
  }

  until(isOver: (nowMs: number) => boolean): Promise<void> {
    this.#isOver = isOver
    this.#ask()
    return this.#over.promise
  }

  #ask(): void {
    this.#sentMs = performance.now()
    this.#socket.write(this.#asked.request(), 'latin1')
  }

  #answered(status: number): void {
    const nowMs = performance.now()
    this.#latencies.record(nowMs - this.#sentMs)
    if (status === this.#asked.status && !this.#isOver(nowMs)) {
      this.#ask()
      return
    }
    if (status === this.#asked.status) this.#over.resolve()
    else this.#over.reject(new Error(`answered with ${status}, not with ${this.#asked.status}`))
    this.#socket.destroy()
  }
}

/** So many connections, each with one request at a time, until the end. @throws Error for another status */
export async function load(
  target: Target,
  connections: number,
  { untilMs = Number.POSITIVE_INFINITY, count = Number.POSITIVE_INFINITY }: LoadEnd,
  asked: Asked,
): Promise<LoadMeasures> {
  const latencies = new LatencyHistogram()
  const askers = Array.from({ length: connections }, () => new Asker(target, asked, latencies))
  await Promise.all(askers.map(({ opened }) => opened))
  const isOver = (nowMs: number): boolean => nowMs >= untilMs || latencies.count >= count
  const beganMs = performance.now()
  const began = performance.eventLoopUtilization()
  await Promise.all(askers.map((asker) => asker.until(isOver)))
  const seconds = (performance.now() - beganMs) / 1000
  return {
    count: latencies.count,
    perSecond: latencies.count / seconds,
    p99Ms: latencies.quantileMs(0.99),
    busy: performance.eventLoopUtilization(began).utilization,
  }
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
