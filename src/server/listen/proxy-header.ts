/**
 * The header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection to say whose it is
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
 *
 * What arrives is looked at byte by byte: what can be no header is known as soon as it differs.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { canonicalAddress } from './ip-address.ts'

export interface ProxySource {
  /** In its canonical form. */
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  /** More has to arrive. */
  | { readonly kind: 'partial' }
  /** `source` is undefined: the proxy speaks for itself, as with its health checks, or does not know. */
  | { readonly kind: 'whole'; readonly bytes: number; readonly source: ProxySource | undefined }
  | { readonly kind: 'wrong'; readonly why: string }

const SIGNATURE_1 = Buffer.from('PROXY ')
const SIGNATURE_2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
/** With its end of line. */
const LINE_BYTES_MOST = 107
const FIXED_BYTES = 16
/** Header of version 2 with all that a proxy may add to it. */
const HEADER_BYTES_MOST = 4096
const FAMILIES = {
  17: { addressBytes: 4, bytes: 12 },
  33: { addressBytes: 16, bytes: 36 },
} as const
/** Unspecified, and UNIX sockets: there is no address of the network. */
const WITHOUT_ADDRESS: readonly number[] = [0x00, 0x31]
const PARTIAL: ProxyHeader = { kind: 'partial' }

export function proxyHeaderOf(received: Buffer): ProxyHeader {
  if (received.length === 0) return PARTIAL
  if (received[0] === SIGNATURE_1[0]) return lineOf(received)
  if (received[0] === SIGNATURE_2[0]) return binaryOf(received)
  return wrong('it does not begin with a header of the PROXY protocol')
}

function wrong(why: string): ProxyHeader {
  return { kind: 'wrong', why }
}

function startsAs(received: Buffer, signature: Buffer): boolean {
  const bytes = Math.min(received.length, signature.length)
  return received.subarray(0, bytes).equals(signature.subarray(0, bytes))
}

function lineOf(received: Buffer): ProxyHeader {
  if (!startsAs(received, SIGNATURE_1)) return wrong('it does not begin with a header of the PROXY protocol')
  const end = received.subarray(0, LINE_BYTES_MOST).indexOf('\r\n')
  if (end < 0)
    return received.length < LINE_BYTES_MOST
      ? PARTIAL
      : wrong(`the first line is longer than ${LINE_BYTES_MOST} bytes`)
  const bytes = end + 2
  const words = received.toString('latin1', 0, end).split(' ')
  const [, family = '', from = '', to = '', fromPort = '', toPort = ''] = words
  if (family === 'UNKNOWN') return { kind: 'whole', bytes, source: undefined }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined
  if (isAddress === undefined) return wrong('its protocol is none of TCP4, TCP6, UNKNOWN')
  const source = sourceOf(from, fromPort)
  if (words.length !== 6 || source === undefined || !isAddress(from) || !isAddress(to) || !isPort(toPort))
    return wrong(`its addresses are not those of ${family}`)
  return { kind: 'whole', bytes, source }
}

function sourceOf(address: string, port: string): ProxySource | undefined {
  const canonical = address.includes('%') ? undefined : canonicalAddress(address)
  return canonical === undefined || !isPort(port) ? undefined : { address: canonical, port: Number(port) }
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

function binaryOf(received: Buffer): ProxyHeader {
  if (!startsAs(received, SIGNATURE_2)) return wrong('it does not begin with a header of the PROXY protocol')
  const [versionAndCommand, protocol] = received.subarray(SIGNATURE_2.length)
  if (versionAndCommand === undefined) return PARTIAL
  const command = versionAndCommand & 0x0f
  if (versionAndCommand >> 4 !== 2) return wrong('its version is not 2')
  if (command > 1) return wrong('its command is neither LOCAL nor PROXY')
  if (protocol === undefined) return PARTIAL
  const isLocal = command === 0
  const family = isFamily(protocol) ? FAMILIES[protocol] : undefined
  if (!isLocal && family === undefined && !WITHOUT_ADDRESS.includes(protocol))
    return wrong('its connection is not one over TCP')
  if (received.length < FIXED_BYTES) return PARTIAL
  const length = received.readUInt16BE(14)
  const bytes = FIXED_BYTES + length
  if (bytes > HEADER_BYTES_MOST) return wrong(`it is longer than ${HEADER_BYTES_MOST} bytes`)
  const isAddressed = !isLocal && family !== undefined
  if (isAddressed && length < family.bytes) return wrong('it is too short for its addresses')
  if (received.length < bytes) return PARTIAL
  const source = isAddressed ? binarySourceOf(received, family.addressBytes) : undefined
  return { kind: 'whole', bytes, source }
}

function isFamily(protocol: number): protocol is keyof typeof FAMILIES {
  return Object.hasOwn(FAMILIES, protocol)
}

/** Source address, destination address, source port, destination port. */
function binarySourceOf(received: Buffer, addressBytes: 4 | 16): ProxySource | undefined {
  const raw = received.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes)
  const port = received.readUInt16BE(FIXED_BYTES + 2 * addressBytes)
  const text =
    addressBytes === 4
      ? raw.join('.')
      : Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(2 * i).toString(16)).join(':')
  const address = canonicalAddress(text)
  return address === undefined ? undefined : { address, port }
}
