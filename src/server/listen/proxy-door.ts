/**
 * Connections that begin with a header of the PROXY protocol, before TLS and HTTP.
 *
 * Who connects decides, not what arrives: connections of trusted proxies begin with the header, and are cut without it;
 * those of others begin without, and one that sends it is cut for it as for any other noise.
 */
import type { Server, Socket } from 'node:net'
import type { ClientOrigins } from './client-origin.ts'
import { type ProxyHeader, proxyHeaderOf } from './proxy-header.ts'

export interface ProxyDoorOptions {
  readonly origins: ClientOrigins
  /** How long a proxy may take for its header. Default 5,000 ms. */
  readonly withinMs?: number
  /** A connection was cut. */
  readonly onRefused: (socket: Socket, why: string) => void
}

const WITHIN_MS = 5000

/**
 * Puts itself before whatever takes the connections of the server so far. The answer cuts those whose header has not arrived.
 */
export function expectProxyHeaders(server: Server, options: ProxyDoorOptions): () => void {
  const takers = server.listeners('connection')
  const waiting = new Set<Socket>()
  const pass = (socket: Socket): void => {
    for (const taker of takers) Reflect.apply(taker, server, [socket])
  }
  server.removeAllListeners('connection')
  server.on('connection', (socket) => {
    if (!options.origins.trusted.hasPeer(socket.remoteAddress)) {
      pass(socket)
      return
    }
    waiting.add(socket)
    awaitHeader(socket, options, (header) => {
      waiting.delete(socket)
      if (header.kind === 'whole') {
        options.origins.announce(socket, header.source)
        pass(socket)
        return
      }
      if (!socket.destroyed) options.onRefused(socket, header.why)
      socket.destroy()
    })
  })
  return () => {
    for (const socket of waiting) socket.destroy()
  }
}

type Outcome = Exclude<ProxyHeader, { readonly kind: 'partial' }>

/** What follows the header stays in the socket. */
function awaitHeader(
  socket: Socket,
  { withinMs = WITHIN_MS }: ProxyDoorOptions,
  done: (header: Outcome) => void,
): void {
  let received: Buffer = Buffer.alloc(0)
  const end = (header: Outcome): void => {
    clearTimeout(timer)
    socket.off('readable', read).off('end', ended).off('close', ended).off('error', ended)
    done(header)
  }
  const read = (): void => {
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
      received = Buffer.concat([received, chunk])
      const header = proxyHeaderOf(received)
      if (header.kind === 'partial') continue
      if (header.kind === 'whole' && header.bytes < received.length)
        socket.unshift(received.subarray(header.bytes))
      end(header)
      return
    }
  }
  const ended = (): void =>
    end({ kind: 'wrong', why: 'it ended before its header of the PROXY protocol was whole' })
  const timer = setTimeout(
    () => end({ kind: 'wrong', why: `no header of the PROXY protocol came within ${withinMs} ms` }),
    withinMs,
  )
  socket.on('readable', read).on('end', ended).on('close', ended).on('error', ended)
}
