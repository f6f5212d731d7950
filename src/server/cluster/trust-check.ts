/**
 * Whether the other nodes will talk to this one, before it gets any shards: calls that need a node which nobody reaches would
 * wait for as long as it lives.
 */

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TlsIdentity } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { openNodeSocket } from './node-socket.ts'

const WITHIN_MS = 2000
/** The other end is not there, or does not answer: that says nothing about trust. */
const ABSENT = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|timed out/

/**
 * @param own where this node says that it is
 * @param others addresses of the living nodes
 * @throws PerdureError `ARGUMENT_INVALID`: its certificate is for another host; the others have TLS and this one has not, or the other way around; or there are
 *   others, and none takes this node's certificate, or shows one that this node takes
 */
export async function assertTrusted(
  own: string,
  others: readonly string[],
  tls: TlsIdentity | undefined,
): Promise<void> {
  const isSecure = own.startsWith('wss:')
  const different = others.find((address) => address.startsWith('wss:') !== isSecure)
  if (different !== undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      isSecure
        ? `the other nodes have no TLS (${different}): stop them, and start all of them with tls`
        : `the other nodes have TLS (${different}): give this one tls, with a certificate of their authority`,
    )
  if (tls === undefined) return
  checkHost(own, tls)
  const troubles = await Promise.all(others.map((address) => troubleWith(address, tls)))
  const found = troubles.filter((trouble) => trouble !== undefined && !ABSENT.test(trouble))
  if (found.length === 0 || found.length < others.length) return
  throw new PerdureError(
    'ARGUMENT_INVALID',
    `no other node lets this one in: ${found.join('; ')}. Its certificate must come from their authority, be for servers and clients, and have not expired; so must theirs; and no proxy may be between them`,
  )
}

/** Others connect to the address, and look whether the certificate is for its host. */
function checkHost(own: string, tls: TlsIdentity): void {
  const host = new URL(own).hostname.replace(/^\[|\]$/g, '')
  const certificate = new X509Certificate(tls.current.cert ?? '')
  if ((isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined) return
  throw new PerdureError(
    'ARGUMENT_INVALID',
    `the certificate does not name ${host}, where the others are to reach this node (${own}), but ${certificate.subjectAltName ?? 'no host'}. Say where with address, or have a certificate with that name`,
  )
}

/** Undefined: it lets this node in. */
function troubleWith(address: string, tls: TlsIdentity): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = openNodeSocket(address, { tls, withinMs: WITHIN_MS })
    socket.on('open', () => {
      socket.terminate()
      resolve(undefined)
    })
    socket.on('error', ({ message }) => resolve(`${address}: ${message.trim()}`))
  })
}
