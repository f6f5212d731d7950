/** What a request shows of who makes it. */
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Credentials } from '../access/access.ts'
import type { Origin } from './client-origin.ts'

export function credentialsOf(
  { headers, socket }: IncomingMessage,
  { address, hasOwnCertificate }: Pick<Origin, 'address' | 'hasOwnCertificate'>,
): Credentials {
  const { authorization } = headers
  const isVerified = socket instanceof TLSSocket && socket.authorized && hasOwnCertificate
  const certificate = isVerified ? socket.getPeerCertificate() : undefined
  return {
    address,
    ...(authorization === undefined ? {} : { authorization }),
    // A session that is resumed counts as authorized also if no certificate was ever shown.
    ...(certificate?.raw === undefined ? {} : { certificate }),
  }
}
