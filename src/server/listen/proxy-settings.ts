/** What a program says of the load balancers in front of its engine. Free of types of Node: programs see these. */
import type { ForwardedHeader } from './forwarded-header.ts'

export interface ProxySettings {
  /**
   * Addresses and CIDR ranges of the load balancers in front, such as `['10.0.0.5', '10.0.1.0/24']`: these may say for whom
   * they ask. Default: none, and the other end of the connection is the client.
   */
  readonly trustedProxies?: readonly string[]
  /** The header in which they say it. Default `'x-forwarded-for'`. */
  readonly forwardedHeader?: ForwardedHeader
  /**
   * Connections of `trustedProxies` begin with a header of the PROXY protocol, version 1 or 2, below TLS too; those without
   * one are refused. Others connect without it. Default: false.
   */
  readonly proxyProtocol?: boolean
  /**
   * `trustedProxies` pass TLS through to its end here, so that certificates that are shown on their connections are those of the clients.
   * Default: false, and such a certificate says nothing of who calls: a proxy that encrypts anew would show its own.
   */
  readonly tlsPassThrough?: boolean
}
