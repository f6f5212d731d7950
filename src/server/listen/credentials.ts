/** What a request shows of who makes it. */
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Credentials } from '../access/access.ts'
import { isThroughHttpProxy } from './client-origin.ts'

/** @param address of the client, as its connection or a trusted proxy says */
export function credentialsOf(request: IncomingMessage, address: string): Credentials {
  const { headers, socket } = request
  const { authorization } = headers
  // Behind a proxy that ends TLS it would be that of the proxy, whoever calls.
  const isVerified = socket instanceof TLSSocket && socket.authorized && !isThroughHttpProxy(request)
  const certificate = isVerified ? socket.getPeerCertificate() : undefined
  return {
    address,
    ...(authorization === undefined ? {} : { authorization }),
    // A session that is resumed counts as authorized also if no certificate was ever shown.
    ...(certificate?.raw === undefined ? {} : { certificate }),
  }
}
