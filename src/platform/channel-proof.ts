/**
 * Shows that whoever sends a request is itself the end of the TLS connection that it comes on: keying material of that connection
 * (RFC 5705; RFC 9266 binds to TLS with it in the same way), which its two ends alone can compute.
 *
 * A certificate is shown by the end of a connection. Where a proxy encrypts anew, that is the proxy, and the request is of
 * whoever has asked it.
 */
import { timingSafeEqual } from 'node:crypto'
import type { ClientRequest } from 'node:http'
import { TLSSocket } from 'node:tls'

/** Of a request: 64 hexadecimal digits. */
export const CHANNEL_HEADER = 'perdure-channel'

const LABEL = 'EXPERIMENTAL-perdure-channel'
const BYTES = 32

/** Ends the request with the proof in its header, once its connection is there. Without TLS it has none. */
export function endWithChannelProof(request: ClientRequest): void {
  request.once('socket', (socket) => {
    if (!(socket instanceof TLSSocket)) {
      request.end()
      return
    }
    socket.once('secureConnect', () => {
      try {
        request.setHeader(CHANNEL_HEADER, proofOf(socket).toString('hex'))
        request.end()
      } catch (error) {
        // The connection is gone by now.
        request.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
  })
}

/** @param given the header of a request that came on this connection */
export function isChannelProof(socket: TLSSocket, given: string | readonly string[] | undefined): boolean {
  if (typeof given !== 'string' || given.length !== 2 * BYTES) return false
  const shown = Buffer.from(given, 'hex')
  return shown.length === BYTES && timingSafeEqual(shown, proofOf(socket))
}

function proofOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(BYTES, LABEL, Buffer.alloc(0))
}
