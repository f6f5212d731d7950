/** Which addresses this process may be made to call by what others have configured. */
import { BlockList, isIP } from 'node:net'

type Range = readonly [address: string, bits: number]

/** Networks of an organisation, of this machine, and of nobody. */
const PRIVATE: readonly Range[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['::', 128],
  ['::1', 128],
  ['fc00::', 7],
  ['fec0::', 10],
]

/** Link-local ones, where clouds tell a machine its secrets, and those that are no addresses of anybody. */
const NEVER: readonly Range[] = [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['3fff::', 20],
  ['5f00::', 16],
  ['ff00::', 8],
  // What carries an IPv4 address in itself may lead to any of those above.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
]

/** All of IPv4, which may be written as IPv6, and what is given out of IPv6. */
const PUBLIC: readonly Range[] = [
  ['0.0.0.0', 0],
  ['::ffff:0:0', 96],
  ['2000::', 3],
]

const privateRanges = blockList(PRIVATE)
const neverRanges = blockList(NEVER)
const publicRanges = blockList(PUBLIC)

/** @param allowPrivate also addresses of private networks and of this machine; never link-local ones */
export function mayCall(address: string, allowPrivate: boolean): boolean {
  return addressRefusal(address, allowPrivate) === undefined
}

/** Why it may not be called. `private`: it may be if that is allowed; `never`: whatever is allowed. */
export function addressRefusal(address: string, allowPrivate: boolean): 'private' | 'never' | undefined {
  // With a zone it is link-local, whatever it looks like.
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0) return 'never'
  // Addresses of IPv4 that are written as IPv6 are looked at as what they are.
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (neverRanges.check(address, type)) return 'never'
  if (privateRanges.check(address, type)) return allowPrivate ? undefined : 'private'
  return publicRanges.check(address, type) ? undefined : 'never'
}

function blockList(ranges: readonly Range[]): BlockList {
  const list = new BlockList()
  for (const [address, bits] of ranges) list.addSubnet(address, bits, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  return list
}
