/** Addresses as they are compared, shown and balanced by: each in one form. */
import { isIP, SocketAddress } from 'node:net'

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/

/**
 * The one form of an address: IPv6 short and in lower case, without a zone; IPv4 that came as IPv6 (`::ffff:10.0.0.1`) as
 * IPv4. Undefined: it is none.
 */
export function canonicalAddress(text: string): string | undefined {
  const [address = ''] = text.split('%')
  switch (isIP(address)) {
    case 4:
      return address
    case 6: {
      const short = new SocketAddress({ address, family: 'ipv6' }).address
      return MAPPED.exec(short)?.[1] ?? short
    }
    default:
      return undefined
  }
}

/** For people and logs, as in URLs. */
export function addressWithPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
