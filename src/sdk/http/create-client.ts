/** `createClient`: the engine's interface over HTTP, in any program that has `fetch`. */
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { traceContextShape } from '../../protocol/trace-context.ts'
import { checkedOptions, type OptionNames } from '../checked-arguments.ts'
import { Client } from '../client.ts'
import { HttpCalls } from './http-calls.ts'
import { HttpPort } from './http-port.ts'

export interface CreateClientOptions {
  /** Of an engine that listens, or of what stands before it, such as `http://127.0.0.1:7233`. */
  readonly url: string
  /**
   * An API key or a token (JWT), for engines with `access`; a function is asked for each request. Only for `https:` URLs, and for
   * those of this machine.
   */
  readonly token?: string | (() => string | Promise<string>)
  /** Default `'default'`. */
  readonly namespace?: string
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch
  /** How long a request that is harmless to repeat is asked again, from its first failure on: no answer, or 503. Default `'15s'`. */
  readonly retryFor?: Duration
  /**
   * The trace that calls belong to (W3C Trace Context), asked for each request and sent as its headers; ill-formed, it is left out.
   * Default: none. Where `fetch` is instrumented that does it.
   */
  readonly traceContext?: () => { readonly traceparent: string; readonly tracestate?: string } | undefined
}

const OPTIONS: OptionNames<CreateClientOptions> = {
  url: true,
  token: true,
  namespace: true,
  fetch: true,
  retryFor: true,
  traceContext: true,
}
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/
/** What a header can hold (RFC 6750, 2.1, and a little more). */
const TOKEN = /^[\x21-\x7e]+$/

/**
 * A client of an engine that listens (`engine.listen()`) or of a cluster, with the interface of the embedded engine: `start`,
 * `signal`, `enqueue`, `list`, handles. It holds no connection, and need not be closed.
 *
 * @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID`, `DURATION_INVALID`
 */
export function createClient(options: CreateClientOptions): Client {
  const checked = checkedOptions(options, 'createClient()', OPTIONS)
  const { token, namespace = DEFAULT_NAMESPACE, retryFor = '15s', traceContext } = checked
  if (traceContext !== undefined && typeof traceContext !== 'function')
    throw new PerdureError('ARGUMENT_INVALID', 'createClient({ traceContext }) is not a function')
  const url = checkedUrl(checked.url)
  const calls = new HttpCalls({
    url: url.href.replace(/\/+$/, ''),
    token: token === undefined ? undefined : checkedToken(token, url),
    // Looked up at each call: a program may put another one in its place. Browsers call theirs as a method of the page only.
    fetch: checked.fetch ?? ((...args) => globalThis.fetch(...args)),
    retryForMs: durationMs(retryFor, 'retryFor'),
    trace: () => traceContextShape(traceContext?.()),
  })
  return new Client(new HttpPort(calls), {
    namespace: checkedName(namespace, 'the namespace'),
    limits: DEFAULT_LIMITS,
    // The engine knows, and says so.
    knows: () => true,
  })
}

function checkedUrl(given: unknown): URL {
  const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (isPlain && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new PerdureError(
    'ARGUMENT_INVALID',
    `createClient({ url }) is ${JSON.stringify(given)}, not a URL like http://127.0.0.1:7233`,
  )
}

function checkedToken(
  token: NonNullable<CreateClientOptions['token']>,
  url: URL,
): () => string | Promise<string> {
  if (url.protocol !== 'https:' && !LOOPBACK.test(url.hostname))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `createClient({ token }) is not sent to ${url.href}: without TLS everybody on the way could use it; use https://…`,
    )
  if (typeof token === 'function') return async () => tokenText(await token())
  const text = tokenText(token)
  return () => text
}

function tokenText(token: unknown): string {
  if (typeof token === 'string' && TOKEN.test(token)) return token
  throw new PerdureError(
    'ARGUMENT_INVALID',
    'createClient({ token }) is no text of a key or token, nor a function that gives one',
  )
}
