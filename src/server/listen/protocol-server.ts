/**
 * The door of the engine for workers, clients and other nodes: HTTP, and WebSocket for those who ask to be upgraded.
 *
 * Without TLS it listens on loopback addresses alone, unless it is told by a setting whose name says what that is. With TLS,
 * whoever shows a certificate of the authority comes in; with `access`, whoever shows a key or a token. Requests of web pages, which a browser sends with an `Origin`, are refused.
 */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Engine } from '../../engine/engine.ts'
import type { LiveExecution } from '../../engine/live-execution.ts'
import type { WorkflowCrew } from '../../engine/workers/workflow-crew.ts'
import { CHANNEL_HEADER, isChannelProof } from '../../platform/channel-proof.ts'
import { systemClock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { TlsSettings } from '../../platform/tls.ts'
import { tokenSource } from '../../platform/tokens.ts'
import type { Caller } from '../../protocol/caller.ts'
import { CLIENT_PROTOCOL, CLIENT_PROTOCOL_2 } from '../../protocol/client-messages.ts'
import { durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { frameBytesFor } from '../../protocol/frame-bytes.ts'
import type { Limits } from '../../protocol/limits.ts'
import { NODE_PROTOCOL } from '../../protocol/node-messages.ts'
import { WORKER_PROTOCOL } from '../../protocol/worker-messages.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'
import type { Access } from '../access/access.ts'
import { NodeConnection, type NodeDoor } from '../cluster/node-connection.ts'
import { type CheckedHttpSettings, checkedHttpSettings } from '../http/http-settings.ts'
import { type ServedHttp, type ServeHttpParts, serveHttp } from '../http/serve-http.ts'
import type { EngineReadiness } from '../readiness.ts'
import { ClientConnection } from './client-connection.ts'
import { ClientOrigins, type Origin } from './client-origin.ts'
import type { ConnectionCounts, ConnectionKind } from './connection-counts.ts'
import { credentialsOf } from './credentials.ts'
import { type HttpDoor, httpDoor, isNodeCertificate } from './http-door.ts'
import type { Listener, ListenOptions } from './listen-options.ts'
import { type NodeList, nodesBehind } from './node-list.ts'
import { type WorkerAdmission, WorkerConnection } from './worker-connection.ts'

/** What the engine does with a listener beside that. */
export interface OwnListener extends Listener {
  /** Asks clients to go on with another node; resolves when they have gone. */
  leave(): Promise<void>
  /** Lets nobody in any more; resolves when requests over HTTP that have begun are answered, or after `mostMs`. */
  finish(mostMs: number): Promise<void>
  /** Load balancers are in front of it. */
  readonly hasProxies: boolean
}

export interface ProtocolServerParts extends ServeHttpParts {
  readonly engine: Engine
  readonly workflows: WorkflowCrew<LiveExecution>
  readonly logger: Logger
  readonly limits: Limits
  readonly access: Access
  readonly readiness: EngineReadiness
  /** Of a node, for the other ones. */
  readonly door?: NodeDoor
  /** Of the cluster, for workers. */
  readonly nodes?: NodeList
  readonly connections: ConnectionCounts
}

const OPTIONS: OptionNames<ListenOptions> = {
  host: true,
  port: true,
  heartbeat: true,
  tls: true,
  http: true,
  trustedProxies: true,
  forwardedHeader: true,
  proxyProtocol: true,
  tlsPassThrough: true,
  insecureListen: true,
}
const PROTOCOLS = [WORKER_PROTOCOL, CLIENT_PROTOCOL_2, CLIENT_PROTOCOL] as const
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/
const NODE_HEARTBEAT_MS = 1000
const HEARTBEAT_LEAST_MS = 10
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const CLOSE_WITHIN_MS = 1000

/** @throws PerdureError `ARGUMENT_INVALID`; the error of the system if the port is taken */
export async function listen(parts: ProtocolServerParts, given: ListenOptions = {}): Promise<OwnListener> {
  const { host, port, heartbeatMs, tls, origins, settings } = checkedListenOptions(given, parts.limits)
  const { logger, readiness, access } = parts
  if (!LOOPBACK.test(host) && tls === undefined)
    logger.warn('the engine listens beyond this machine without TLS: everybody on the way reads along', {
      host,
    })
  const { clientCertificates } = access
  const isHostChecked = tls === undefined && !access.isClosed && LOOPBACK.test(host)
  const served = serveHttp(parts, { settings, origins, isHostChecked })
  const { listener: answer } = served
  const { limits } = settings
  const door = httpDoor({ tls, answer, limits, readiness, origins, clientCertificates, logger })
  const { http } = door
  const clients = new Set<ClientConnection>()
  const sockets = accept(http, parts, { heartbeatMs, clients, origins })
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenErrorOf(error, { host, port }))
    http.once('error', failed)
    http.listen(port, host, () => {
      http.off('error', failed)
      resolve()
    })
  })
  // The one cast: it listens on TCP.
  const address = http.address() as AddressInfo
  // A certificate names hosts, so the name is kept.
  const shown = tls === undefined ? address.address : host
  let closed: Promise<void> | undefined
  return {
    url: `${tls === undefined ? 'ws' : 'wss'}://${shown.includes(':') ? `[${shown}]` : shown}:${address.port}`,
    port: address.port,
    leave: async () => {
      served.end()
      await Promise.all([...clients].map((client) => client.leave()))
    },
    finish: (mostMs) => {
      served.end()
      return door.drain.finish(mostMs)
    },
    hasProxies: !origins.trusted.isEmpty,
    close: () => {
      closed ??= end(door, sockets, served)
      return closed
    },
  }
}

function checkedListenOptions(
  given: ListenOptions,
  { payloadBytes }: Limits,
): {
  readonly host: string
  readonly port: number
  readonly heartbeatMs: number
  readonly tls: TlsSettings | undefined
  readonly origins: ClientOrigins
  readonly settings: CheckedHttpSettings
} {
  const {
    host = '127.0.0.1',
    port = 0,
    heartbeat = '10s',
    tls,
    insecureListen = false,
    http,
    ...proxies
  } = checkedOptions(given, 'listen()', OPTIONS)
  const isSecure = tls !== undefined || insecureListen === true
  if (typeof host !== 'string' || host === '' || (!isSecure && !LOOPBACK.test(host)))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `host is ${JSON.stringify(host)}: without tls the engine listens on loopback addresses only. If whoever reaches the port may do everything, or read along: insecureListen: true (perdure start: --insecure-listen-without-authentication)`,
    )
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new PerdureError('ARGUMENT_INVALID', `port is ${port}, not a whole number from 0 to 65535`)
  const heartbeatMs = durationMs(heartbeat, 'heartbeat')
  if (heartbeatMs < HEARTBEAT_LEAST_MS)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `heartbeat is ${heartbeatMs} ms, not ${HEARTBEAT_LEAST_MS} or more`,
    )
  const settings = checkedHttpSettings(http, payloadBytes)
  return { host, port, heartbeatMs, tls, origins: new ClientOrigins(proxies), settings }
}

interface AcceptOptions {
  readonly heartbeatMs: number
  readonly clients: Set<ClientConnection>
  readonly origins: ClientOrigins
}

function accept(
  http: Server,
  parts: ProtocolServerParts,
  { heartbeatMs, clients, origins }: AcceptOptions,
): WebSocketServer {
  const { engine, workflows, logger, limits, access, door, nodes, connections } = parts
  const { payloadBytes } = limits
  const protocols = door === undefined ? PROTOCOLS : [...PROTOCOLS, NODE_PROTOCOL]
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: frameBytesFor(payloadBytes),
    perMessageDeflate: false,
    handleProtocols: (offered) => protocols.find((each) => offered.has(each)) ?? false,
  })
  const newToken = tokenSource()
  const enter = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const chosen = chosenOf(request, protocols)
    // Now: who has gone by the time that it was looked at has no address any more.
    const origin = origins.originOf(request)
    const refusal = refusalOf(request, { chosen, origin, access })
    if (refusal !== undefined) {
      refuse(socket, ...refusal)
      return
    }
    // Whoever goes while it is looked at is nobody's trouble.
    socket.on('error', () => socket.destroy())
    const caller = chosen === NODE_PROTOCOL ? undefined : await callerOf(access, request, origin)
    if (caller instanceof PerdureError) {
      refuse(socket, caller.httpStatus, caller.message)
      return
    }
    if (!socket.destroyed)
      sockets.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket, origin, caller))
  }
  const serve = (webSocket: WebSocket, origin: Origin, caller: Caller | undefined): void => {
    const { label: address } = origin
    connections.count(kindOf(webSocket), webSocket)
    if (caller === undefined) {
      if (door !== undefined)
        new NodeConnection({ socket: webSocket, address, door, logger, heartbeatMs: NODE_HEARTBEAT_MS })
      return
    }
    const unfollow = access.follow(caller, (why) => cutOff(webSocket, why))
    webSocket.on('close', unfollow)
    if (webSocket.protocol === CLIENT_PROTOCOL || webSocket.protocol === CLIENT_PROTOCOL_2) {
      const client = new ClientConnection({
        socket: webSocket,
        address,
        host: origin.address,
        calls: access.portOf(caller),
        logger,
        heartbeatMs,
        payloadBytes: limits.payloadBytes,
        nodes: origin.isThroughTrusted ? nodesBehind(nodes) : nodes,
      })
      clients.add(client)
      webSocket.on('close', () => clients.delete(client))
      return
    }
    const { attempts, crew } = engine.tasks
    new WorkerConnection({
      socket: webSocket,
      address,
      attempts,
      crew,
      workflows,
      host: engine,
      clock: systemClock,
      logger,
      newToken,
      heartbeatMs,
      limits,
      nodes,
      guarded: engine.guarded((call) => call()),
      ...admissionOf(access, caller),
    })
  }
  http.on('upgrade', (request, socket, head) => {
    enter(request, socket, head).catch((error: unknown) => {
      logger.warn('a connection failed', { error })
      socket.destroy()
    })
  })
  return sockets
}

function listenErrorOf(
  error: Error,
  { host, port }: { readonly host: string; readonly port: number },
): Error {
  if (!('code' in error) || error.code !== 'EADDRINUSE') return error
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new PerdureError(
    'ARGUMENT_INVALID',
    `${where} is in use: end the process that listens there, or listen on another port (listen, --listen)`,
    { cause: error },
  )
}

/** Nothing that is on its way is heard any more, and whoever does not close is not waited for. */
function cutOff(webSocket: WebSocket, why: string): void {
  webSocket.removeAllListeners('message')
  webSocket.close(POLICY_VIOLATION, why)
  const late = setTimeout(() => webSocket.terminate(), CLOSE_WITHIN_MS)
  webSocket.once('close', () => clearTimeout(late))
}

/** Where no credential is asked for, a worker is taken on in the turn in which it says hello. */
function admissionOf(access: Access, caller: Caller): { readonly admission?: WorkerAdmission } {
  if (!access.isClosed) return {}
  return {
    admission: {
      assert: (hello) => access.assertWorker(caller, hello),
      follow: (hello, onRefused) => access.followWorker(caller, hello, onRefused),
    },
  }
}

function kindOf({ protocol }: WebSocket): ConnectionKind {
  if (protocol === NODE_PROTOCOL) return 'node'
  return protocol === WORKER_PROTOCOL ? 'worker' : 'client'
}

/** The first of ours that is offered. */
function chosenOf({ headers }: IncomingMessage, protocols: readonly string[]): string | undefined {
  const offered = offeredBy(headers)
  return protocols.find((each) => offered.includes(each))
}

function offeredBy(headers: IncomingMessage['headers']): readonly string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim())
}

function refusalOf(
  { headers, socket }: IncomingMessage,
  {
    chosen,
    origin,
    access,
  }: { readonly chosen: string | undefined; readonly origin: Origin; readonly access: Access },
): [status: number, why: string] | undefined {
  if (headers.origin !== undefined) return [403, 'requests of web pages are refused']
  // The certificate would be that of the proxy, whoever asks it.
  if (chosen === NODE_PROTOCOL && origin.isForwarded)
    return [403, 'nodes connect to each other without a proxy']
  // Nodes show certificates: where others show keys, nobody is one without.
  if (chosen === NODE_PROTOCOL && access.isClosed && !(socket instanceof TLSSocket))
    return [403, 'a node with access takes other nodes over TLS only']
  if (chosen === NODE_PROTOCOL && !isNodeCertificate(socket))
    return [403, 'the certificate is not that of a node: its extended key usage lacks serverAuth']
  // A proxy that encrypts anew need not say so: the certificate is its own then too.
  if (
    chosen === NODE_PROTOCOL &&
    socket instanceof TLSSocket &&
    !isChannelProof(socket, headers[CHANNEL_HEADER])
  )
    return [403, 'nodes connect to each other without a proxy: the certificate is not of whoever asks']
  if (chosen !== undefined) return undefined
  const offered = offeredBy(headers).join(', ')
  return [400, `this engine speaks ${PROTOCOLS.join(' and ')}; offered was ${offered || 'nothing'}`]
}

/** The error: it is refused. */
async function callerOf(
  access: Access,
  request: IncomingMessage,
  origin: Origin,
): Promise<Caller | PerdureError> {
  try {
    return await access.authenticate(credentialsOf(request, origin))
  } catch (error) {
    if (error instanceof PerdureError) return error
    throw error
  }
}

function refuse(socket: Duplex, status: number, why: string): void {
  const body = `${why}\n`
  // Whoever is refused may be gone already: nobody else listens for errors of a socket that is to be upgraded.
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

async function end(
  { http, drain, stop }: HttpDoor,
  sockets: WebSocketServer,
  served: ServedHttp,
): Promise<void> {
  stop()
  served.end()
  const closed = new Promise<void>((resolve) => void http.close(() => resolve()))
  for (const socket of sockets.clients) socket.close(GOING_AWAY, 'the engine closes')
  const late = setTimeout(() => {
    for (const socket of sockets.clients) socket.terminate()
  }, CLOSE_WITHIN_MS)
  // What the end of the engine has answered is still on its way.
  await drain.finish(CLOSE_WITHIN_MS)
  http.closeAllConnections()
  await closed
  clearTimeout(late)
}
