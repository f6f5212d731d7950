/**
 * The HTTP side of a door: the REST API, its documentation, and health, by Fastify.
 *
 * A request is looked at in this order: the page that it comes from, who calls, its place, its body. What a caller may do is decided
 * by the port that it gets.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { TProperties } from 'typebox'
import { isLogged, type Logger } from '../../platform/logger.ts'
import type { Caller } from '../../protocol/caller.ts'
import { type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import type { Access } from '../access/access.ts'
import { BATCH_TYPE, EVENT_TYPE, isBinaryMode } from '../events/cloud-event.ts'
import type { ClientOrigins } from '../listen/client-origin.ts'
import { credentialsOf } from '../listen/credentials.ts'
import { compressed, type Encoding, encodingFor } from './compression.ts'
import type { CheckedHttpSettings } from './http-settings.ts'
import { IDEMPOTENCY_HEADER, idempotencyKeyOf, markOf } from './idempotency.ts'
import { jsonBody } from './json-body.ts'
import { OriginGuard } from './origin-guard.ts'
import { PAYLOAD_HEADER, PayloadView, payloadStyleOf } from './payload-view.ts'
import { PROBLEM_TYPE, problemOf, RequestError } from './problem.ts'
import type { Answer, Page, Route, RouteRequest, RouteServices } from './route.ts'
import { RouteIndex } from './route-index.ts'
import { namespaceQuery } from './schemas/namespace.ts'
import { bodyCheck, textsCheck } from './validation.ts'

export interface HttpAppOptions {
  readonly access: Access
  readonly logger: Logger
  readonly settings: CheckedHttpSettings
  readonly isHostChecked: boolean
  readonly routes: readonly Route[]
  readonly pages: readonly Page[]
  readonly services: RouteServices
  /** Where requests come from. */
  readonly origins: ClientOrigins
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined
  }
}

const REQUEST_ID = /^[\w.:+/=@-]{1,128}$/
/** A name of 512 bytes, each of them written as `%XX`; the token of a claim is longer than one. */
const PARAM_CHARACTERS = 8192
const NO_CONTENT = 204
const STREAM_TYPES: ReadonlySet<string> = new Set(['text/event-stream', 'application/x-ndjson'])

export class HttpApp {
  readonly #options: HttpAppOptions
  readonly #guard: OriginGuard
  readonly #index: RouteIndex
  readonly #app: FastifyInstance

  constructor(options: HttpAppOptions) {
    this.#options = options
    const { settings, isHostChecked, routes, pages } = options
    this.#guard = new OriginGuard({ ...settings, isHostChecked })
    this.#index = new RouteIndex([
      ...routes.flatMap((route) => {
        const path = `/v1${route.path}`
        const methods = route.method === 'GET' && !isStream(route) ? ['GET', 'HEAD'] : [route.method]
        return methods.map((method) => ({ method, path }))
      }),
      ...pages.flatMap(({ path }) => ['GET', 'HEAD'].map((method) => ({ method, path }))),
    ])
    const app = fastify({
      bodyLimit: settings.limits.bodyBytes,
      genReqId: ({ headers }) => requestIdOf(headers['x-request-id']),
      routerOptions: { maxParamLength: PARAM_CHARACTERS, caseSensitive: true, ignoreTrailingSlash: false },
      frameworkErrors: (error, request, reply) => {
        // No hook is called for these.
        if (isLogged(options.logger, 'debug')) reply.raw.once('close', () => this.#logAnswer(request, reply))
        void this.#fail(error, request, reply)
      },
    })
    this.#app = app
    app.decorateRequest('caller', undefined)
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => {
      try {
        done(null, jsonBody(body as Buffer, settings.limits.depth))
      } catch (error) {
        done(error as Error, undefined)
      }
    })
    app.addContentTypeParser([EVENT_TYPE, BATCH_TYPE], { parseAs: 'buffer' }, (_, body, done) => {
      try {
        done(null, jsonBody(body as Buffer, settings.limits.depth))
      } catch (error) {
        done(error as Error, undefined)
      }
    })
    // The data of a CloudEvent, of whatever type they are.
    app.addContentTypeParser('*', { parseAs: 'buffer' }, ({ headers }, body, done) => {
      if (isBinaryMode(headers)) done(null, body)
      else done(new RequestError(...UNSUPPORTED_TYPE), undefined)
    })
    app.setErrorHandler((error, request, reply) => this.#fail(error, request, reply))
    app.setNotFoundHandler((request, reply) => this.#missing(request, reply))
    this.#addHooks(app)
    this.#logRequests(app)
    for (const route of routes) this.#addRoute(app, route)
    for (const page of pages) this.#addPage(app, page)
  }

  async ready(): Promise<void> {
    await this.#app.ready()
  }

  /** For tests: a request without a socket. */
  get inject(): FastifyInstance['inject'] {
    return this.#app.inject.bind(this.#app)
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#app.routing(request, response)
  }

  #addHooks(app: FastifyInstance): void {
    const { access, origins } = this.#options
    const isPublic = new Set(this.#options.pages.filter((page) => page.isPublic).map(({ path }) => path))
    app.addHook('onRequest', async (request, reply) => {
      const { method, headers, raw } = request
      reply.header('x-request-id', request.id)
      reply.headers({ 'x-content-type-options': 'nosniff', ...this.#guard.headersFor(headers.origin) })
      const origin = origins.originOf(raw)
      this.#guard.check(method, headers, origin.isAnnounced)
      const { url } = request.routeOptions
      if (url === undefined || isPublic.has(url)) return
      request.caller = await access.authenticate(credentialsOf(raw, origin))
      access.beginRequest(request.caller)
    })
  }

  /** There is no hook, and no cost, where it would write nothing. */
  #logRequests(app: FastifyInstance): void {
    if (!isLogged(this.#options.logger, 'debug')) return
    app.addHook('onResponse', (request, reply, done) => {
      this.#logAnswer(request, reply)
      done()
    })
  }

  /** Without the query: it may hold what is nobody's business. */
  #logAnswer({ id: requestId, method, routeOptions, caller }: FastifyRequest, reply: FastifyReply): void {
    const asked = { requestId, method, route: routeOptions?.url, caller: caller?.id }
    const ms = Math.round(reply.elapsedTime * 10) / 10
    const cut = reply.raw.writableFinished ? {} : { cut: true }
    this.#options.logger.debug('a request was answered', {
      ...asked,
      status: reply.raw.statusCode,
      ms,
      ...cut,
    })
  }

  #addRoute(app: FastifyInstance, route: Route): void {
    const query: TProperties = { ...route.query, ...(route.isInNamespace === false ? {} : namespaceQuery) }
    const checkParams = textsCheck(route.params ?? {}, 'path')
    const checkQuery = textsCheck(query, 'query')
    const checkBody = bodyCheck(route.body)
    app.route({
      method: route.method,
      url: `/v1${route.path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      // The head of a stream would be all of it.
      exposeHeadRoute: route.method === 'GET' && !isStream(route),
      handler: async (request, reply) => {
        const params = checkParams(request.params)
        const asked = checkQuery(request.query) as { readonly namespace?: string }
        const { namespace, ...others } = asked
        const body = checkBody(request.body)
        const own = route.isInNamespace === false ? asked : others
        const answer = await this.#answerOf(
          route,
          this.#requestOf(request, reply, { namespace, params, query: own, body }),
        )
        await this.#send(request, reply, { answer, isSecret: route.isSecret === true })
        return reply
      },
    })
  }

  async #answerOf<R extends RouteRequest>(
    route: { readonly run: (request: R) => Promise<Answer> },
    request: R,
  ): Promise<Answer> {
    const isAnswered = this.#options.access.beginAnswer(request.caller)
    try {
      return await route.run(request)
    } finally {
      isAnswered()
    }
  }

  #requestOf<P, Q, B>(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: {
      readonly namespace: string | undefined
      readonly params: P
      readonly query: Q
      readonly body: B
    },
  ): RouteRequest & { readonly params: P; readonly query: Q; readonly body: B } {
    const { services, access } = this.#options
    const { headers, caller } = request
    if (caller === undefined) throw new Error('invariant: a route is asked by a caller')
    const key = idempotencyKeyOf(headers[IDEMPOTENCY_HEADER])
    const { params, query, body } = asked
    const within = asked.namespace ?? caller.namespace ?? DEFAULT_NAMESPACE
    let gone: AbortSignal | undefined
    return {
      params,
      query,
      body,
      headers,
      namespace: within,
      caller,
      port: access.portOf(caller),
      payloads: new PayloadView(payloadStyleOf(headers[PAYLOAD_HEADER]), services.limits.payloadBytes),
      services,
      idempotencyKey: key,
      mark: (what) => (key === undefined ? undefined : markOf(key, within, what)),
      get signal() {
        gone ??= signalOf(reply.raw)
        return gone
      },
    }
  }

  /** A promise only if something is still to be done: a reply is a promise too, and each that resolves with it costs a turn. */
  #send(
    request: FastifyRequest,
    reply: FastifyReply,
    { answer, isSecret }: { readonly answer: Answer; readonly isSecret: boolean },
  ): Promise<void> | undefined {
    const { status = 200, headers = {}, body, stream, onUndelivered } = answer
    reply.code(status).headers(headers)
    if (onUndelivered !== undefined)
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) onUndelivered()
      })
    if (stream !== undefined) {
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      reply.raw.writeHead(status)
      this.#stream(request, reply.raw, stream)
      return undefined
    }
    if (body === undefined) {
      reply.send()
      return undefined
    }
    if (isSecret) reply.header('cache-control', 'no-store')
    return this.#sendText(request, reply, { text: JSON.stringify(body), type: 'application/json', isSecret })
  }

  #stream(request: FastifyRequest, response: ServerResponse, stream: NonNullable<Answer['stream']>): void {
    stream(response).catch((error: unknown) => {
      // Its head is out: the reader comes again, and is told then.
      this.#log(error, request)
      response.destroy()
    })
  }

  #sendText(
    request: FastifyRequest,
    reply: FastifyReply,
    { text, type, isSecret }: { readonly text: string; readonly type: string; readonly isSecret: boolean },
  ): Promise<void> | undefined {
    reply.header('content-type', type.includes(';') ? type : `${type}; charset=utf-8`)
    const encoding = isSecret ? undefined : encodingFor(request.headers['accept-encoding'], text.length)
    if (!isSecret) reply.headers(joinedVary(reply, { vary: 'accept-encoding' }))
    if (encoding !== undefined) return this.#sendCompressed(reply, text, encoding)
    reply.send(text)
    this.#limitTime(reply.raw)
    return undefined
  }

  async #sendCompressed(reply: FastifyReply, text: string, encoding: Encoding): Promise<void> {
    reply.header('content-encoding', encoding).send(await compressed(text, encoding))
    this.#limitTime(reply.raw)
  }

  /** Whoever does not take the answer, which was just sent, is cut. */
  #limitTime(response: ServerResponse): void {
    const { socket } = response
    // Who has gone already is not waited for, nor who has taken it: a timer for each would cost more than to say what to answer.
    if (socket === null || response.closed || (response.writableEnded && socket.writableLength === 0)) return
    const { answerMs } = this.#options.settings.limits
    const timer = setTimeout(() => socket.destroy(), answerMs)
    response.once('close', () => clearTimeout(timer))
  }

  #addPage(app: FastifyInstance, page: Page): void {
    app.get(page.path, async (request, reply) => {
      const {
        status = 200,
        type,
        body,
        headers = {},
      } = await page.answer({
        caller: request.caller,
        url: request.url,
        accept: request.headers.accept,
      })
      reply.code(status).headers({ ...headers, ...joinedVary(reply, headers) })
      await this.#sendText(request, reply, { text: body, type, isSecret: false })
      return reply
    })
  }

  async #missing(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { method, headers, url } = request
    const [path = ''] = url.split('?')
    const preflight = this.#guard.preflight(method, headers)
    const methods = this.#index.methodsOf(path)
    if (preflight !== undefined && methods.length > 0) return reply.code(NO_CONTENT).headers(preflight).send()
    if (methods.length === 0)
      return this.#fail(new RequestError('ROUTE_NOT_FOUND', `there is nothing at ${path}`), request, reply)
    const allow = methods.join(', ')
    return this.#fail(
      new RequestError('METHOD_NOT_ALLOWED', `${path} takes ${allow}, not ${method}`, { headers: { allow } }),
      request,
      reply,
    )
  }

  async #fail(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const error = ofFramework(thrown, this.#options.settings.limits.bodyBytes) ?? thrown
    const { problem, headers } = problemOf(error, request.id)
    if (problem.status >= 500) this.#log(thrown, request)
    return reply
      .code(problem.status)
      .headers(headers)
      .header('content-type', PROBLEM_TYPE)
      .header('cache-control', 'no-store')
      .send(JSON.stringify(problem))
  }

  /** What cannot be helped now (503) is no fault. */
  #log(error: unknown, { id: requestId, method, routeOptions, caller }: FastifyRequest): void {
    const { logger } = this.#options
    const fields = { requestId, method, route: routeOptions.url, caller: caller?.id, error }
    if (error instanceof PerdureError && error.retryable) logger.info('a request could not be served', fields)
    else logger.error('a request failed', fields)
  }
}

function isStream({ answers }: Route): boolean {
  return Object.values(answers).some(({ mediaType = '' }) => STREAM_TYPES.has(mediaType))
}

/** What the answer depends on, beside what was said of it before. */
function joinedVary(reply: FastifyReply, { vary }: { readonly vary?: string }): { readonly vary?: string } {
  if (vary === undefined) return {}
  return { vary: [reply.getHeader('vary'), vary].filter(Boolean).join(', ') }
}

function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (response.destroyed) controller.abort()
  else
    response.once('close', () => {
      if (!response.writableFinished) controller.abort()
    })
  return controller.signal
}

const UNSUPPORTED_TYPE = [
  'CONTENT_TYPE_UNSUPPORTED',
  'the body is of another type than application/json',
] as const satisfies readonly [ErrorCode, string]

/** What Fastify refuses before a route is asked. */
const REFUSALS: Readonly<Record<string, readonly [code: ErrorCode, detail: string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: UNSUPPORTED_TYPE,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['ARGUMENT_INVALID', 'the body is not as long as Content-Length says'],
  FST_ERR_BAD_URL: ['ARGUMENT_INVALID', 'the path is not percent-encoded UTF-8'],
  FST_ERR_MAX_PARAM_LENGTH: ['ARGUMENT_INVALID', 'a part of the path is too long'],
}

function ofFramework(error: unknown, bodyBytes: number): RequestError | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new RequestError(
      'PAYLOAD_TOO_LARGE',
      `the body is larger than http.limits.bodyBytes, ${bodyBytes} bytes`,
      {
        hint: 'Send less at once, store large data elsewhere and pass a reference, or raise http.limits.bodyBytes.',
      },
    )
  const refusal = typeof code === 'string' ? REFUSALS[code] : undefined
  return refusal === undefined ? undefined : new RequestError(...refusal)
}
