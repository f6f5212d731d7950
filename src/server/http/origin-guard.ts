/**
 * Requests of web pages.
 *
 * 1. A page of another origin changes nothing: browsers send its requests with whatever the machine has (an open port of loopback, a
 *    client certificate), and say so with `Origin`.
 * 2. A door without TLS that asks for no credentials is asked for by a name of loopback, or by one that the settings name. A page whose
 *    own name leads to this machine (DNS rebinding) would be of the same origin as the engine. It calls from the address of a proxy on
 *    this machine, and can send any header that such a proxy would: only the PROXY protocol tells them apart.
 * 3. A page may read answers only if its origin is in the settings (CORS). There is none by default.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { RequestError } from './problem.ts'

export interface OriginGuardOptions {
  readonly origins: ReadonlySet<string>
  readonly hosts: ReadonlySet<string>
  /** The door has no TLS, asks for no credentials, and is on loopback. */
  readonly isHostChecked: boolean
}

type Headers = Readonly<Record<string, string>>

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const ASKED_HEADERS =
  'authorization, content-type, idempotency-key, if-match, last-event-id, perdure-payloads, x-request-id, traceparent, tracestate'
const SHOWN_HEADERS = 'etag, location, retry-after, x-request-id'
const HOST_HINT =
  'Ask for it as localhost. If the name is yours, add it to http.hosts (--http-host); if a proxy sends it, add its address to trustedProxies (--trusted-proxies).'
const ORIGIN_HINT =
  'If the page is yours, add its origin to http.origins (--http-origin). Of a page behind a proxy that sends a name of its own, the proxy has to send the Host that it was asked for.'
const PREFLIGHT_S = '600'

export class OriginGuard {
  readonly #options: OriginGuardOptions

  constructor(options: OriginGuardOptions) {
    this.#options = options
  }

  /**
   * @param isAnnounced a trusted proxy has said by the PROXY protocol for whom it asks: it sends what name it likes
   * @throws RequestError `FORBIDDEN`
   */
  check(method: string, headers: IncomingHttpHeaders, isAnnounced: boolean): void {
    const { host = '', origin } = headers
    if (!isAnnounced && !this.#isOurHost(host))
      throw new RequestError(
        'FORBIDDEN',
        `the door is asked for as ${JSON.stringify(host)}: without TLS that must be a name of loopback, or one of http.hosts`,
        { hint: HOST_HINT },
      )
    if (origin === undefined || READS.has(method) || this.#options.origins.has(origin)) return
    if (hostOf(origin) !== host.toLowerCase())
      throw new RequestError('FORBIDDEN', `web pages of ${JSON.stringify(origin)} may change nothing here`, {
        hint: ORIGIN_HINT,
      })
  }

  /** For the answer, if the page may read it. */
  headersFor(origin: string | undefined): Headers {
    if (this.#options.origins.size === 0) return {}
    if (origin === undefined || !this.#options.origins.has(origin)) return { vary: 'origin' }
    return {
      vary: 'origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': SHOWN_HEADERS,
    }
  }

  /** The answer to a browser that asks whether it may ask; undefined: it may not, or it is no such question. */
  preflight(method: string, headers: IncomingHttpHeaders): Headers | undefined {
    const { origin } = headers
    const isAsked = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
    if (!isAsked || origin === undefined || !this.#options.origins.has(origin)) return undefined
    return {
      ...this.headersFor(origin),
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': ASKED_HEADERS,
      'access-control-max-age': PREFLIGHT_S,
    }
  }

  #isOurHost(host: string): boolean {
    const { isHostChecked, hosts } = this.#options
    if (!isHostChecked) return true
    const name = host.toLowerCase().replace(/:\d+$/, '')
    return LOOPBACK.test(name) || hosts.has(name) || hosts.has(host.toLowerCase())
  }
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
