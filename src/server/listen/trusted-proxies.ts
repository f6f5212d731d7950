/** Proxies in front of an engine whose word about where a client calls from is taken. */
import { BlockList, isIP } from 'node:net'
import { PerdureError } from '../../protocol/errors.ts'
import { canonicalAddress } from './ip-address.ts'

const PREFIX_BITS = { 4: 32, 6: 128 } as const
const RANGES_MOST = 1000

export class TrustedProxies {
  readonly #list = new BlockList()
  readonly isEmpty: boolean

  /**
   * @param ranges addresses and CIDR ranges, such as `10.0.0.5`, `10.0.0.0/24`, `fd00:1::/64`
   * @param what whose setting it is, for errors
   * @throws PerdureError `ARGUMENT_INVALID`
   */
  constructor(ranges: readonly string[], what: string) {
    const invalid = (why: string): PerdureError => new PerdureError('ARGUMENT_INVALID', `${what}: ${why}`)
    if (!Array.isArray(ranges))
      throw invalid("is not a list of addresses and ranges, such as ['10.0.0.0/24']")
    if (ranges.length > RANGES_MOST) throw invalid(`has ${ranges.length} ranges, more than ${RANGES_MOST}`)
    for (const range of ranges) this.#add(range, invalid)
    this.isEmpty = ranges.length === 0
  }

  #add(range: unknown, invalid: (why: string) => PerdureError): void {
    const text = typeof range === 'string' ? range.trim() : ''
    const [address = '', prefix, ...rest] = text.split('/')
    const version = isIP(address)
    if ((version !== 4 && version !== 6) || address.includes('%') || rest.length > 0)
      throw invalid(`${JSON.stringify(range)} is no address or range such as 10.0.0.5 or 10.0.0.0/24`)
    const family = version === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) {
      this.#list.addAddress(address, family)
      return
    }
    const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    if (!(bits <= PREFIX_BITS[version]))
      throw invalid(`${text} has no prefix of 1 to ${PREFIX_BITS[version]} bits after the /`)
    if (bits === 0) throw invalid(`${text} would let everybody say where it calls from; name the proxies`)
    this.#list.addSubnet(address, bits, family)
  }

  /** @param address in its canonical form */
  has(address: string): boolean {
    if (this.isEmpty) return false
    return this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }

  /** The other end of a connection. */
  hasPeer(remoteAddress: string | undefined): boolean {
    const address = remoteAddress === undefined ? undefined : canonicalAddress(remoteAddress)
    return address !== undefined && this.has(address)
  }
}
