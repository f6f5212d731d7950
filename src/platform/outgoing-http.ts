/**
 * Calls of this process to HTTP servers that somebody has named in a configuration or in a call.
 *
 * 1. The address is looked up once, looked at, and then connected to: there is no second look-up that could answer otherwise.
 * 2. Private, loopback and link-local addresses, and those where clouds keep secrets, are refused, unless they are allowed.
 * 3. No redirect is followed. Time and size have bounds.
 */
import { lookup as systemLookup } from 'node:dns'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { addressRefusal, mayCall } from './outgoing-addresses.ts'
import { OutgoingError } from './outgoing-error.ts'

export interface OutgoingCall {
  /** `http:` or `https:`. */
  readonly url: string
  /** Default `GET`. */
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** For all of it: look-up, connection, and the answer to its last byte. Default 10,000. */
  readonly timeoutMs?: number
  /** Of the body of the answer. Default 1 MiB. */
  readonly answerBytes?: number
  /** Also addresses of private networks and of this machine. Default false. */
  readonly allowPrivate?: boolean
  /** Authorities of the server's certificate, PEM. Default: those that Node knows. */
  readonly ca?: string
  /** Aborted: the call is cut. */
  readonly signal?: AbortSignal
}

export interface OutgoingAnswer {
  readonly status: number
  /** Names in lower case; of several with one name, the first, or all with commas. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** The system's, or that of a test. */
export type AddressLookup = typeof systemLookup

const TIMEOUT_MS = 10_000
const ANSWER_BYTES = 1024 * 1024

/** Any status is an answer. @throws OutgoingError */
export async function callOut(
  call: OutgoingCall,
  lookup: AddressLookup = systemLookup,
): Promise<OutgoingAnswer> {
  const url = checkedUrl(call.url)
  const { allowPrivate = false, timeoutMs = TIMEOUT_MS } = call
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // Addresses in a URL are not looked up.
  if (isIP(host) !== 0 && !mayCall(host, allowPrivate)) throw refused(host, host)
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal])
  try {
    return await exchange(url, call, { signal, lookup: checkedLookup(lookup, allowPrivate) })
  } catch (error) {
    if (error instanceof OutgoingError) throw error
    if (call.signal?.aborted === true)
      throw new OutgoingError('unreachable', `the call of ${url.host} was cut`, { cause: error })
    if (timeout.aborted)
      throw new OutgoingError('timeout', `${url.host} has not answered within ${timeoutMs} ms`, {
        cause: error,
      })
    const why = error instanceof Error ? error.message || String(Reflect.get(error, 'code')) : String(error)
    throw new OutgoingError('unreachable', `${url.host} cannot be reached: ${why}`, { cause: error })
  }
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new OutgoingError('url-invalid', `${JSON.stringify(text)} is no URL of HTTP`)
  if (url.username !== '' || url.password !== '')
    throw new OutgoingError('url-invalid', `the URL for ${url.host} has a user or a password in it`)
  return url
}

/** Of a name with several addresses, one that may not be called is enough to refuse all: it is not what it seems. */
function checkedLookup(lookup: AddressLookup, allowPrivate: boolean): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        done(error, [])
        return
      }
      const bad = addresses.find(({ address }) => !mayCall(address, allowPrivate))
      const [first] = addresses
      if (bad !== undefined) done(refused(host, bad.address), [])
      else if (options.all === true) done(null, addresses)
      else if (first === undefined) done(new Error(`${host} has no address`), [])
      else done(null, first.address, first.family)
    })
  }
}

function refused(host: string, address: string): OutgoingError {
  const where = host === address ? address : `${host} (${address})`
  const why =
    addressRefusal(address, false) === 'private'
      ? 'an address of a private network or of this machine: it is not called unless that is allowed'
      : 'a link-local address, one where clouds keep secrets, or of nobody: it is never called'
  return new OutgoingError('address-refused', `${where} is ${why}`)
}

function exchange(
  url: URL,
  { method = 'GET', headers = {}, body, ca, answerBytes = ANSWER_BYTES }: OutgoingCall,
  { signal, lookup }: Required<Pick<RequestOptions, 'signal' | 'lookup'>>,
): Promise<OutgoingAnswer> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest
    const sent = request(url, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      },
      // A connection of its own: one that is kept was looked at for another call.
      agent: false,
      lookup,
      signal,
      ...(ca === undefined ? {} : { ca }),
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      bodyOf(response, answerBytes).then((read) => {
        resolve({ status: response.statusCode ?? 0, headers: headersOf(response), body: read })
      }, reject)
    })
    sent.end(body)
  })
}

async function bodyOf(response: IncomingMessage, most: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    // Leaving the loop ends the connection.
    if (bytes > most) throw new OutgoingError('answer-too-large', `the answer is larger than ${most} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}
