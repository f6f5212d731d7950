/**
 * The REST API, as commands call it: where it is, who calls, and what is wrong said for people.
 *
 * Nothing is asked again: whoever gave the command sees that it has failed, and gives it again.
 */
import { checkedToken } from '../../platform/shown-token.ts'
import { TlsIdentity } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { HttpCalls, type HttpRequest, problemError } from '../../sdk/http/http-calls.ts'
import type { CommandCall } from '../command.ts'
import { type EngineChoice, engineOf } from '../engine-choice.ts'
import { assertTlsFits, checkedRestUrl } from '../engine-url.ts'
import { notKnown } from '../not-known.ts'
import { restFetch } from './rest-fetch.ts'

/** Of one request; what waits at the engine is asked for in several. */
const ANSWER_MS = 30_000
/** The most that a request may wait at the engine. */
export const WAIT_MOST_MS = 60_000
export const PAGE_MOST = 1000
const LIMIT = 100

export interface RestRequest extends Pick<HttpRequest, 'path' | 'shownPath' | 'query' | 'body'> {
  /** Default GET. */
  readonly method?: HttpRequest['method']
  /** It is about no namespace, or `query` says which. */
  readonly isEverywhere?: true
  /** Changes it only if this is its revision. */
  readonly ifRevision?: number | undefined
  readonly contentType?: string
  /** How long the engine may take beyond what is usual, ms. */
  readonly waitMs?: number
}

export class Rest {
  readonly namespace: string
  readonly #calls: HttpCalls
  readonly #fetch: typeof globalThis.fetch
  readonly #url: string
  readonly #token: string | undefined

  /** @throws UsageError, PerdureError `ARGUMENT_INVALID`: what was given cannot be used */
  constructor({ output }: Pick<CommandCall, 'output'>, choice: EngineChoice) {
    const { http, socket } = checkedRestUrl(choice.url)
    assertTlsFits(socket, choice.tls)
    checkedToken(choice.token, [socket], choice.tokenFrom)
    const identity =
      choice.tls === undefined
        ? undefined
        : new TlsIdentity(choice.tls, '--tls-cert, --tls-key, --tls-ca', (message) => output.note(message))
    const { token } = choice
    this.namespace = choice.namespace
    this.#url = http
    this.#token = token
    this.#fetch = restFetch(identity?.current)
    this.#calls = new HttpCalls({
      url: http,
      token: token === undefined ? undefined : () => token,
      fetch: this.#fetch,
      retryForMs: 0,
      trace: () => undefined,
    })
  }

  /** The body of the answer; of one without a body, undefined. @throws PerdureError */
  async ask<T = unknown>({ method = 'GET', path, query, body, ...how }: RestRequest): Promise<T> {
    const { isEverywhere, ifRevision, contentType, waitMs = 0, shownPath = path } = how
    const asked = await this.#told(
      this.#calls.ask<T>({
        method,
        path,
        shownPath,
        query: { ...(isEverywhere === true ? {} : { namespace: this.namespace }), ...query },
        ...(body === undefined ? {} : { body }),
        headers: {
          'perdure-payloads': 'plain',
          ...(ifRevision === undefined ? {} : { 'if-match': `"${ifRevision}"` }),
          ...(contentType === undefined ? {} : { 'content-type': contentType }),
        },
        isRepeatable: false,
        answerMs: ANSWER_MS + waitMs,
      }),
    )
    return asked.body
  }

  /** What one request gets of a list; of one that has no pages, all of it. @param field of the answer that has the rows */
  async page<T>(
    request: RestRequest,
    field: string,
  ): Promise<{ readonly rows: readonly T[]; readonly cursor: string | undefined }> {
    const answer = await this.ask<{ readonly cursor?: string }>(request)
    // The cast: the route has this field, or it is that of another version.
    const rows = (answer as unknown as Readonly<Record<string, readonly T[] | undefined>>)[field]
    if (!Array.isArray(rows))
      throw new PerdureError(
        'PROTOCOL_INVALID',
        `the answer to GET /v1/${request.path.join('/')} has no ${field}`,
      )
    return { rows, cursor: answer.cursor }
  }

  /**
   * Pages of a list, up to `--limit`, from `--cursor` on. If there is more it is said where.
   *
   * @param field of the answer that has the rows
   */
  async *pages<T>(
    { options, output }: CommandCall,
    request: RestRequest,
    field: string,
  ): AsyncGenerator<readonly T[]> {
    let left = options.count('limit', 1) ?? LIMIT
    for (let cursor = options.text('cursor'); ; ) {
      const query = { ...request.query, cursor, limit: Math.min(left, PAGE_MOST) }
      const page = await this.page<T>({ ...request, query }, field)
      const { rows } = page
      if (rows.length > 0) yield rows
      left -= rows.length
      cursor = page.cursor
      if (cursor === undefined) return
      if (left > 0) continue
      output.note(`There are more: go on with --cursor ${cursor}`)
      return
    }
  }

  /**
   * Text as it comes, whole lines or not.
   *
   * @param mediaType that it must have
   * @throws PerdureError; `CONNECTION_LOST`: it was cut off
   */
  async *text(path: readonly string[], mediaType: string): AsyncGenerator<string> {
    const token = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    const name = `GET /v1/${path.join('/')}`
    const lost = (error: unknown): PerdureError =>
      new PerdureError('CONNECTION_LOST', `${name}: ${error instanceof Error ? error.message : error}`)
    const cut = new AbortController()
    const timer = setTimeout(() => cut.abort(), ANSWER_MS)
    const url = `${this.#url}/v1/${path.map(encodeURIComponent).join('/')}`
    const response = await this.#fetch(url, { headers: token, signal: cut.signal })
      .catch((error: unknown) => {
        throw lost(error)
      })
      // It has begun: the rest may take any time.
      .finally(() => clearTimeout(timer))
    if (!response.ok) await this.#told(Promise.reject(problemError(response, await response.text(), name)))
    if (response.headers.get('content-type')?.startsWith(mediaType) !== true) {
      await response.body?.cancel()
      throw new PerdureError(
        'PROTOCOL_INVALID',
        `what answered ${name} is no engine: it sent no ${mediaType}`,
      )
    }
    const decoder = new TextDecoder()
    try {
      for await (const piece of response.body ?? []) yield decoder.decode(piece, { stream: true })
    } catch (error) {
      throw lost(error)
    }
  }

  /** Who gets no further is told what it takes. */
  async #told<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      const isUnknown = error instanceof PerdureError && error.code === 'UNAUTHENTICATED'
      throw isUnknown ? notKnown(this.#token !== undefined, error) : error
    }
  }
}

/** For actions that ask an engine. */
export function overRest(
  use: (call: CommandCall, rest: Rest) => Promise<number | undefined>,
): (call: CommandCall) => Promise<number | undefined> {
  return (call) => use(call, new Rest(call, engineOf(call)))
}
