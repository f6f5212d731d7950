/** HTTP that is there to be upgraded; over TLS, only for those who show a certificate of the authority. */
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { Logger } from '../../platform/logger.ts'
import { TlsIdentity, type TlsSettings } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'

export interface HttpDoor {
  readonly http: Server
  /** Certificates are not read again any more. */
  stop(): void
}

const HANDSHAKE_MS = 10_000
/** How soon a certificate that has been replaced is used. */
const REFRESH_MS = 5000
/** Of connections that fail, one in so long is told. */
const TELL_EVERY_MS = 1000
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

/**
 * @param says to those who do not ask for WebSocket
 * @throws PerdureError `ARGUMENT_INVALID`
 */
export function httpDoor(tls: TlsSettings | undefined, says: string, logger: Logger): HttpDoor {
  const answer: RequestListener = (_, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket' })
    response.end(says)
  }
  if (tls === undefined) return { http: createServer(answer), stop: () => {} }
  const identity = serverIdentity(tls, (message, fields) => logger.warn(message, fields))
  let used = identity.current
  const demands = { requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_MS }
  const http = createSecureServer({ ...used, ...demands }, answer)
  tellFailures(http, logger)
  const timer = setInterval(() => {
    const { current } = identity
    if (current === used) return
    used = current
    http.setSecureContext(current)
    logger.info('changed certificates are used from now on')
  }, REFRESH_MS)
  timer.unref()
  return { http, stop: () => clearInterval(timer) }
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function serverIdentity(
  tls: TlsSettings,
  warn: ConstructorParameters<typeof TlsIdentity>[2],
): TlsIdentity {
  const identity = new TlsIdentity(tls, 'tls', warn)
  for (const part of ['cert', 'key', 'ca'] as const)
    if (tls[part] === undefined)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `tls has no ${part}: an engine shows its certificate, and asks for one of the authority ca`,
      )
  return identity
}

function tellFailures(http: ReturnType<typeof createSecureServer>, logger: Logger): void {
  let toldMs = Number.NEGATIVE_INFINITY
  let untold = 0
  http.on('tlsClientError', ({ message }, { authorizationError, remoteAddress, remotePort }) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < TELL_EVERY_MS) {
      untold += 1
      return
    }
    toldMs = nowMs
    // Its certificate, or that it has none; else what is wrong with what it says. Its end may be gone by now.
    const reason = String(authorizationError ?? message.trim())
    const address = remoteAddress === undefined ? {} : { address: `${remoteAddress}:${remotePort}` }
    logger.warn('a connection was refused', { reason, ...address, untold })
    untold = 0
  })
}

/**
 * A certificate that is for clients only does not make a node: nodes connect to each other in both directions, so theirs are
 * for servers too. Without TLS there is none, and nobody but this machine connects.
 *
 * RFC 5280, 4.2.1.12: a certificate without extended key usage is for all.
 */
export function isNodeCertificate(socket: unknown): boolean {
  if (!(socket instanceof TLSSocket)) return true
  const usage = socket.getPeerCertificate().ext_key_usage
  return usage === undefined || usage.includes(SERVER_AUTH)
}
