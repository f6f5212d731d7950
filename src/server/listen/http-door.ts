/**
 * HTTP, asked and upgraded, that answers whether the engine is well; over TLS, for those who show a certificate of the
 * authority, or who may show something else in place of one.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { watchExpiry } from '../../platform/certificate-expiry.ts'
import { type Clock, systemClock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { TlsSettings } from '../../platform/tls.ts'
import type { HttpLimits } from '../http/http-settings.ts'
import type { EngineReadiness } from '../readiness.ts'
import type { ClientOrigins } from './client-origin.ts'
import { answersHealth } from './health-answers.ts'
import { HttpDrain } from './http-drain.ts'
import { addressWithPort } from './ip-address.ts'
import { expectProxyHeaders } from './proxy-door.ts'
import { serverIdentity } from './server-identity.ts'

export interface HttpDoorOptions {
  readonly tls: TlsSettings | undefined
  /** Of those who do not ask for WebSocket, nor for health. */
  readonly answer: RequestListener
  readonly limits: HttpLimits
  readonly readiness: EngineReadiness
  readonly origins: ClientOrigins
  /** `optional`: whoever has none comes in, and has to show something else. Default `'required'`. */
  readonly clientCertificates?: 'required' | 'optional'
  readonly logger: Logger
  /** For when certificates expire. Default: the system's. */
  readonly clock?: Clock
}

export interface HttpDoor {
  readonly http: Server
  readonly drain: HttpDrain
  /** Certificates are not read again any more, and connections that have not said whose they are are cut. */
  stop(): void
}

const HANDSHAKE_MS = 10_000
/** How soon a certificate that has been replaced is used. */
const REFRESH_MS = 5000
/** Of connections that fail, one in so long is told. */
const TELL_EVERY_MS = 1000
/** How often connections that are too slow are looked for. */
const CHECK_EVERY_MS = 1000
/** Authenticated encryption with forward secrecy; of TLS 1.2, what Node has by default is more. */
const CIPHERS = [
  ...['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':')
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

/** @throws PerdureError `ARGUMENT_INVALID` */
export function httpDoor(options: HttpDoorOptions): HttpDoor {
  const { readiness, origins, limits, tls, clientCertificates = 'required' } = options
  const { logger, clock = systemClock } = options
  const answer: RequestListener = (request, response) => {
    if (!answersHealth(readiness, request, response)) options.answer(request, response)
  }
  const bounds = boundsOf(limits)
  const told = refusals(logger)
  const { http, stop } =
    tls === undefined
      ? { http: createServer(bounds, answer), stop: () => {} }
      : secureDoor(tls, answer, { bounds, told, clientCertificates, logger, clock })
  http.maxConnections = limits.connections
  const drain = new HttpDrain(http, () => readiness.isDraining)
  if (!origins.hasProxyProtocol) return { http, drain, stop }
  const cutWaiting = expectProxyHeaders(http, { origins, onRefused: (socket, why) => told(why, socket) })
  return {
    http,
    drain,
    stop: () => {
      stop()
      cutWaiting()
    },
  }
}

function boundsOf({ headerBytes, headersMs, requestMs, idleMs }: HttpLimits): ServerOptions {
  return {
    maxHeaderSize: headerBytes,
    headersTimeout: headersMs,
    requestTimeout: Math.max(requestMs, headersMs),
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, headersMs),
  }
}

type Told = (reason: string, socket: Pick<Socket, 'remoteAddress' | 'remotePort'>) => void

interface Secured extends Required<Pick<HttpDoorOptions, 'clientCertificates' | 'logger' | 'clock'>> {
  readonly bounds: ServerOptions
  readonly told: Told
}

function secureDoor(
  tls: TlsSettings,
  answer: RequestListener,
  { bounds, told, clientCertificates, logger, clock }: Secured,
): Pick<HttpDoor, 'http' | 'stop'> {
  const identity = serverIdentity(tls, (message, fields) => logger.warn(message, fields))
  let used = identity.current
  const demands = {
    requestCert: true,
    rejectUnauthorized: clientCertificates === 'required',
    handshakeTimeout: HANDSHAKE_MS,
  }
  const http = createSecureServer({ ...bounds, ...used, ...demands, ciphers: CIPHERS }, answer)
  // Its certificate, or that it has none; else what is wrong with what it says. Its end may be gone by now.
  http.on('tlsClientError', ({ message }, socket) =>
    told(String(socket.authorizationError ?? message.trim()), socket),
  )
  const timer = setInterval(() => {
    const { current } = identity
    if (current === used) return
    used = current
    http.setSecureContext({ ...current, ciphers: CIPHERS })
    logger.info('changed certificates are used from now on')
  }, REFRESH_MS)
  timer.unref()
  const unwatch = watchExpiry({
    current: () => identity.current,
    clock,
    warn: (...said) => logger.warn(...said),
  })
  return {
    http,
    stop: () => {
      clearInterval(timer)
      unwatch()
    },
  }
}

/** Of connections that are refused, one in a while is told, with how many were not. */
function refusals(logger: Logger): Told {
  let toldMs = Number.NEGATIVE_INFINITY
  let untold = 0
  return (reason, { remoteAddress, remotePort }) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < TELL_EVERY_MS) {
      untold += 1
      return
    }
    toldMs = nowMs
    const address =
      remoteAddress === undefined ? {} : { address: addressWithPort(remoteAddress, remotePort ?? 0) }
    logger.warn('a connection was refused', { reason, ...address, untold })
    untold = 0
  }
}

/**
 * A certificate that is for clients only does not make a node: nodes connect to each other in both directions, so theirs are
 * for servers too. Without TLS there is none, and nobody but this machine connects.
 *
 * RFC 5280, 4.2.1.12: a certificate without extended key usage is for all.
 */
export function isNodeCertificate(socket: unknown): boolean {
  if (!(socket instanceof TLSSocket)) return true
  // Where certificates are optional, one that nobody has signed is shown as well, and none has no usage that is lacking.
  if (!socket.authorized) return false
  const { raw, ext_key_usage: usage } = socket.getPeerCertificate()
  // A session that is resumed counts as authorized also if none was ever shown.
  if (raw === undefined) return false
  return usage === undefined || usage.includes(SERVER_AUTH)
}
