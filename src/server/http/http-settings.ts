/** What a program says of the HTTP side of a door, checked. */
import { PerdureError } from '../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'

export interface HttpSettings {
  /** Origins whose web pages may call the API (CORS), such as `'https://app.example.com'`. Default: none. */
  readonly origins?: readonly string[]
  /**
   * Names by which this door may be asked for without TLS, beside those of loopback, such as that of a proxy on the same machine.
   * Default: none.
   */
  readonly hosts?: readonly string[]
  readonly limits?: Partial<HttpLimits>
}

/** Bounds on what one caller, or all together, may cost. */
export interface HttpLimits {
  /** Bytes of a request's body. Default twice `payloadBytes` and 1 MiB. */
  readonly bodyBytes: number
  /** Bytes of a request's headers. Default 16 KiB. */
  readonly headerBytes: number
  /** Nesting of lists and objects in a body. Default 200, which is also the most. */
  readonly depth: number
  /** Connections of all kinds, WebSocket included. Default 10,000. */
  readonly connections: number
  /** Streams of events (server-sent events) at a time. Default 5,000. */
  readonly streams: number
  /** Within which the headers of a request must have come, ms. Default 10,000. */
  readonly headersMs: number
  /** Within which all of a request must have come, ms. Default 30,000. */
  readonly requestMs: number
  /**
   * How long a connection without a request is kept, ms. Default 75,000: longer than load balancers keep connections to nodes,
   * 60 s as a rule. They should close them, and not send a request on one that is about to be closed here.
   */
  readonly idleMs: number
  /** Within which an answer must have been taken, ms; of a stream, each part. Default 60,000. */
  readonly answerMs: number
  /**
   * A stream of events that has had no news for this long sends a comment, once in so long, ms. Default 15,000: load balancers take a
   * connection that is quiet for 30 s or 60 s for dead. From one thing that is sent to the next it may be twice that.
   */
  readonly commentMs: number
}

export interface CheckedHttpSettings {
  readonly origins: ReadonlySet<string>
  readonly hosts: ReadonlySet<string>
  readonly limits: HttpLimits
}

const OPTIONS: OptionNames<HttpSettings> = { origins: true, hosts: true, limits: true }
const DEPTH_MAX = 200
const ROOM_BYTES = 1024 * 1024

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedHttpSettings(
  given: HttpSettings | undefined,
  payloadBytes: number,
): CheckedHttpSettings {
  const { origins = [], hosts = [], limits = {} } = checkedOptions(given, 'http', OPTIONS)
  return {
    origins: new Set(listOf(origins, 'origins').map(originOf)),
    hosts: new Set(listOf(hosts, 'hosts').map((host) => host.toLowerCase())),
    limits: limitsOf(limits, payloadBytes),
  }
}

function limitsOf(given: Partial<HttpLimits>, payloadBytes: number): HttpLimits {
  const defaults: HttpLimits = {
    // Text in JSON may take twice its bytes.
    bodyBytes: 2 * payloadBytes + ROOM_BYTES,
    headerBytes: 16 * 1024,
    depth: DEPTH_MAX,
    connections: 10_000,
    streams: 5000,
    headersMs: 10_000,
    requestMs: 30_000,
    idleMs: 75_000,
    answerMs: 60_000,
    commentMs: 15_000,
  }
  const limits = { ...defaults, ...checkedOptions(given, 'http.limits') }
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(defaults, name)) throw invalid(`there is no limit http.limits.${name}`)
    if (!Number.isInteger(value) || value < 1)
      throw invalid(`http.limits.${name} is ${value}, not a whole number of 1 or more`)
  }
  if (limits.depth > DEPTH_MAX) throw invalid(`http.limits.depth is ${limits.depth}, more than ${DEPTH_MAX}`)
  return limits
}

function listOf(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string' || each === ''))
    throw invalid(`http.${what} is not a list of texts`)
  return value as readonly string[]
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.origin === 'null' || url.origin !== text)
    throw invalid(`http.origins: ${JSON.stringify(text)} is no origin such as 'https://app.example.com'`)
  return text
}

const invalid = (detail: string): PerdureError => new PerdureError('ARGUMENT_INVALID', detail)
