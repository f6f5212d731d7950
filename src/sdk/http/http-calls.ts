/**
 * Requests to the REST API, with `fetch`.
 *
 * A request that may be repeated without harm is asked again when it was not answered, or with 503, for a bounded time. Errors are
 * those of the engine: their code, message and cause come with the answer. No redirect is followed: the token is for the engine
 * alone, and not for where somebody points to.
 */
import { ERROR_CATALOGUE, type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import { errorOf, type Failure } from '../../protocol/failure.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'

export interface HttpCallsOptions {
  /** Without a `/` at its end. */
  readonly url: string
  readonly token: (() => string | Promise<string>) | undefined
  readonly fetch: typeof globalThis.fetch
  /** How long a request is asked again, from its first failure on, ms. */
  readonly retryForMs: number
  /** That a request belongs to, asked when it is made. */
  readonly trace: () => TraceContext | undefined
}

type QueryValue = string | number | readonly string[] | undefined

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Parts of the path below `/v1`, as they are. */
  readonly path: readonly string[]
  /** The path in messages, where a part of it is secret. Default: as it is. */
  readonly shownPath?: readonly string[]
  readonly query?: Readonly<Record<string, QueryValue>>
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  /** Done twice it is the same as done once. */
  readonly isRepeatable: boolean
  /** Within which the answer must have come, ms; else it counts as lost. Default 60,000; `Infinity`: whenever it comes. */
  readonly answerMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface HttpAnswer<T> {
  readonly status: number
  readonly body: T
}

const ANSWER_MS = 60_000
const RETRY_FIRST_MS = 50
const RETRY_MOST_MS = 5000
const ATTEMPTS_OF_MOST = 16
/** Nothing else that an engine answers is without a body. */
const NO_CONTENT = 204
const PROBLEM_TYPE = 'application/problem+json'
/** Of proxies whose engine is gone, or did not answer. */
const LOST_STATUSES: ReadonlySet<number> = new Set([502, 503, 504])

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export class HttpCalls {
  readonly #options: HttpCallsOptions

  constructor(options: HttpCallsOptions) {
    this.#options = options
  }

  /** @throws PerdureError of the engine; `CONNECTION_LOST`: no answer; `CANCELLED`: aborted; `PROTOCOL_INVALID`: it is no engine */
  async ask<T>(request: HttpRequest): Promise<HttpAnswer<T>> {
    const url = this.#urlOf(request)
    // Now, and not when it is asked again: that may be in another context.
    const trace = this.#options.trace()
    let until: number | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once<T>(url, request, trace)
      } catch (error) {
        const isOver = !request.isRepeatable || !(error instanceof PerdureError) || error.httpStatus !== 503
        if (isOver) throw error
        const pauseMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt))
        // From the first failure on: what was lost may have waited for long.
        until ??= performance.now() + this.#options.retryForMs
        if (performance.now() + pauseMs > until) throw error
        await pause(pauseMs, request.signal)
      }
    }
  }

  async #once<T>(url: string, request: HttpRequest, trace: TraceContext | undefined): Promise<HttpAnswer<T>> {
    const { method, body, signal, answerMs = ANSWER_MS } = request
    const headers = { ...trace, ...(await this.#headersOf(request)) }
    assertAwaited(signal)
    const cut = new AbortController()
    const abort = (): void => cut.abort()
    signal?.addEventListener('abort', abort)
    const timer = Number.isFinite(answerMs) ? setTimeout(abort, answerMs) : undefined
    try {
      const { fetch } = this.#options
      const response = await fetch(url, {
        method,
        headers,
        // Not 'error', which not every runtime at the edge takes; and it would not say what was wrong.
        redirect: 'manual',
        signal: cut.signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return answerOf<T>(response, await response.text(), request)
    } catch (error) {
      if (error instanceof PerdureError) throw error
      assertAwaited(signal)
      const why = error instanceof Error ? error.message : String(error)
      throw new PerdureError('CONNECTION_LOST', `${nameOf(request)} was not answered: ${why}`, {
        cause: error,
      })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  async #headersOf({ body, headers }: HttpRequest): Promise<Record<string, string>> {
    const { token } = this.#options
    return {
      'perdure-payloads': 'envelope',
      ...(token === undefined ? {} : { authorization: `Bearer ${await token()}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
  }

  #urlOf({ path, query = {} }: HttpRequest): string {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      (typeof value === 'object' ? value : [value])
        .filter((each) => each !== undefined)
        .map((each) => `${name}=${encodeURIComponent(each)}`),
    )
    const asked = parameters.length === 0 ? '' : `?${parameters.join('&')}`
    return `${this.#options.url}/v1/${path.map(partOf).join('/')}${asked}`
  }
}

/** @throws PerdureError `ID_INVALID`: a URL cannot have it as a part, encoded or not (WHATWG URL, 4.4) */
function partOf(name: string): string {
  if (name === '.' || name === '..')
    throw new PerdureError('ID_INVALID', `'${name}' is a name that cannot be asked for by a URL`)
  return encodeURIComponent(name)
}

function nameOf({ method, path, shownPath = path }: HttpRequest): string {
  return `${method} /v1/${shownPath.join('/')}`
}

/** @throws PerdureError `CANCELLED` */
function assertAwaited(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new PerdureError('CANCELLED', 'nobody waits for the answer of this call any more')
}

function answerOf<T>(response: Response, text: string, request: HttpRequest): HttpAnswer<T> {
  // A `fetch` of the program's own may have followed one all the same.
  if (response.redirected) throw redirectError(response, nameOf(request))
  if (!response.ok) throw problemError(response, text, nameOf(request))
  if (text === '' && response.status === NO_CONTENT) return { status: response.status, body: undefined as T }
  const body = jsonOf(text)
  if (typeof body !== 'object' || body === null)
    throw new PerdureError(
      'PROTOCOL_INVALID',
      `what answered ${nameOf(request)} is no engine: it sent no JSON`,
    )
  // The one cast: what the engine answers is what its routes say.
  return { status: response.status, body: body as T }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Problem {
  readonly code: string
  readonly detail: string
  readonly cause?: Failure
}

/** Where to is said without what may be secret; browsers do not tell it. */
function redirectError({ headers, redirected, url }: Response, name: string): PerdureError {
  const location = redirected ? url : (headers.get('location') ?? '')
  const target = URL.canParse(location) ? new URL(location) : undefined
  const where = target === undefined ? 'elsewhere' : `to ${target.origin}${target.pathname}`
  return new PerdureError(
    'PROTOCOL_INVALID',
    `${name} was redirected ${where}, and no redirect is followed: a token would be sent there; give the URL of the engine itself`,
  )
}

/** Browsers hide all of a redirect but that it is one. */
function isRedirect({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || REDIRECT_STATUSES.has(status)
}

/** @param name of the request, such as `GET /v1/audit/export` */
export function problemError(response: Response, text: string, name: string): PerdureError {
  if (isRedirect(response)) return redirectError(response, name)
  const retryAfter = retryAfterOf(response)
  const isProblem = response.headers.get('content-type')?.startsWith(PROBLEM_TYPE) === true
  const problem = (isProblem ? jsonOf(text) : undefined) as Partial<Problem> | undefined
  if (problem === undefined || typeof problem.code !== 'string') {
    const code = LOST_STATUSES.has(response.status) ? 'CONNECTION_LOST' : 'PROTOCOL_INVALID'
    const detail = `${name} was answered with status ${response.status}, and not by an engine`
    return new PerdureError(code, detail, retryAfter)
  }
  const { code, detail = '', cause } = problem
  if (!Object.hasOwn(ERROR_CATALOGUE, code))
    return new PerdureError(
      'INTERNAL',
      `the engine answered ${code}, which this client does not know: ${detail}`,
    )
  return new PerdureError(code as ErrorCode, detail, {
    ...retryAfter,
    ...(cause === undefined ? {} : { cause: errorOf(cause) }),
  })
}

function retryAfterOf({ headers }: Response): { readonly retryAfterMs?: number } {
  const given = headers.get('retry-after')
  return given !== null && /^\d{1,6}$/.test(given) ? { retryAfterMs: Number(given) * 1000 } : {}
}

/** Full jitter: those who were cut off at once do not come back at once. */
function backoffMs(attempt: number): number {
  return Math.random() * Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, ATTEMPTS_OF_MOST))
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      try {
        assertAwaited(signal)
        resolve()
      } catch (error) {
        reject(error)
      }
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}
