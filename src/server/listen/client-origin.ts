/**
 * Where a request comes from: the other end of its connection, or who a trusted proxy says.
 *
 * 1. A proxy is believed only if its own address is trusted. The header of the PROXY protocol, which is of the connection,
 *    stands for the other end of it; then the header of the request is read from its end, up to the first hop that is not
 *    trusted: that is the client.
 * 2. A proxy that encrypts anew shows a certificate of its own, whoever asks it: that is nobody's, unless it is set that trusted
 *    proxies pass TLS through.
 * 3. Only the header that is named is looked at: a proxy that writes one of them lets the other one of the client through.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { PerdureError } from '../../protocol/errors.ts'
import { FORWARDED_HEADERS, type ForwardedHeader, hopsOf } from './forwarded-header.ts'
import { addressWithPort, canonicalAddress } from './ip-address.ts'
import type { ProxySource } from './proxy-header.ts'
import type { ProxySettings } from './proxy-settings.ts'
import { TrustedProxies } from './trusted-proxies.ts'

export interface Origin {
  /** Of the client, without the port, in its canonical form. */
  readonly address: string
  /** For people: with the port, if it is known. */
  readonly label: string
  /** It came by a proxy, whether that is trusted or not: no node or worker of this network connects like that. */
  readonly isForwarded: boolean
  /** The other end of the connection is a trusted proxy. */
  readonly isThroughTrusted: boolean
  /** The proxy has said so below the request, by the PROXY protocol: no web page can, whatever it sends. */
  readonly isAnnounced: boolean
  /** A certificate that is shown on the connection is that of the client. */
  readonly hasOwnCertificate: boolean
}

/** A proxy that reads requests was on the way, or the client says so. */
function isThroughHttpProxy({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return FORWARDED_HEADERS.some((name) => headers[name] !== undefined)
}

type Connection = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>

export class ClientOrigins {
  readonly trusted: TrustedProxies
  readonly hasProxyProtocol: boolean
  readonly #header: ForwardedHeader
  readonly #isTlsPassedThrough: boolean
  /** What proxies have said of connections that are open: TLS hides the socket that it was said on, but not between whom it is. */
  readonly #announced = new Map<string, { readonly source: ProxySource | undefined }>()

  /** @throws PerdureError `ARGUMENT_INVALID` */
  constructor({
    trustedProxies = [],
    forwardedHeader = 'x-forwarded-for',
    proxyProtocol = false,
    tlsPassThrough = false,
  }: ProxySettings) {
    const invalid = (why: string): PerdureError => new PerdureError('ARGUMENT_INVALID', why)
    this.trusted = new TrustedProxies(trustedProxies, 'trustedProxies')
    if (!FORWARDED_HEADERS.includes(forwardedHeader))
      throw invalid(
        `forwardedHeader is ${JSON.stringify(forwardedHeader)}, none of ${FORWARDED_HEADERS.join(', ')}`,
      )
    if (typeof proxyProtocol !== 'boolean')
      throw invalid(`proxyProtocol is ${proxyProtocol}, not true or false`)
    if (typeof tlsPassThrough !== 'boolean')
      throw invalid(`tlsPassThrough is ${tlsPassThrough}, not true or false`)
    if (tlsPassThrough && this.trusted.isEmpty)
      throw invalid('tlsPassThrough needs trustedProxies: the addresses of those that pass it through')
    if (proxyProtocol && this.trusted.isEmpty)
      throw invalid('proxyProtocol needs trustedProxies: the addresses of those that send its header')
    this.#header = forwardedHeader
    this.#isTlsPassedThrough = tlsPassThrough
    this.hasProxyProtocol = proxyProtocol
  }

  /** Connections that a proxy has announced. */
  get announced(): number {
    return this.#announced.size
  }

  /** The proxy at the other end has said for whom the connection is. */
  announce(socket: Socket, source: ProxySource | undefined): void {
    const ends = endsOf(socket)
    const said = { source }
    this.#announced.set(ends, said)
    // The ends may be those of another connection by the time that this is told.
    socket.once('close', () => this.#announced.get(ends) === said && this.#announced.delete(ends))
  }

  originOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): Origin {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? ''
    const announced = this.#announced.size === 0 ? undefined : this.#announced.get(endsOf(socket))
    const isThroughHttp = isThroughHttpProxy({ headers })
    const isForwarded = announced !== undefined || isThroughHttp
    const isThroughTrusted = this.trusted.has(peer)
    const hasOwnCertificate = !isThroughHttp && (!isThroughTrusted || this.#isTlsPassedThrough)
    const { address, port } = announced?.source ?? { address: peer, port: socket.remotePort }
    // A proxy that passes on what it does not look at, and does not say from whom, has not set the header either.
    const isUnsaid = announced !== undefined && announced.source === undefined
    const client = this.#clientOf(address, isUnsaid ? undefined : headers[this.#header])
    const label = client !== address || port === undefined ? client : addressWithPort(address, port)
    const isAnnounced = announced !== undefined
    return { address: client, label, isForwarded, isThroughTrusted, isAnnounced, hasOwnCertificate }
  }

  #clientOf(address: string, header: string | readonly string[] | undefined): string {
    let client = address
    if (header === undefined || !this.trusted.has(client)) return client
    for (const hop of hopsOf(this.#header, [header].flat().join(','))) {
      // Whoever does not say for whom it asks, asks for itself.
      if (hop === undefined) return client
      client = hop
      if (!this.trusted.has(client)) return client
    }
    return client
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Connection): string {
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`
}
