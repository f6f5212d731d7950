/**
 * A route of the REST API: its place, the schemas that what comes is held against and that the OpenAPI document is made of,
 * and what it does, on the port of the caller. All routes are in one table (`route-table.ts`).
 */
import type { ServerResponse } from 'node:http'
import type { Static, TObject, TProperties, TSchema } from 'typebox'
import type { Caller } from '../../protocol/caller.ts'
import type { ClientMethod } from '../../protocol/client-messages.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { RequestMark } from '../../protocol/request-mark.ts'
import type { Access } from '../access/access.ts'
import type { Action } from '../access/actions.ts'
import type { EngineAccess } from '../access/open-closed-access.ts'
import type { TrailDesk } from '../audit/trail-desk.ts'
import type { Automation } from '../automation.ts'
import type { ClaimPort } from '../claims/claim-port.ts'
import type { WebhookTests } from '../webhooks/webhook-tests.ts'
import type { EventStreams } from './event-streams.ts'
import type { HttpLimits } from './http-settings.ts'
import type { PayloadView } from './payload-view.ts'

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Calls of the client's port, what workers do, and what is decided by its name. */
export type Need = ClientMethod | 'worker' | Action

/** What the routes use beside the port of the caller. */
export interface RouteServices {
  readonly access: Access
  /** Keys, roles, policies and namespaces. Undefined: nobody is asked who they are. */
  readonly administration: EngineAccess | undefined
  readonly limits: Limits
  readonly http: HttpLimits
  readonly claims: ClaimPort
  readonly automation: Automation
  readonly webhookTests: WebhookTests
  readonly streams: EventStreams
  /** Undefined: nothing is recorded. */
  readonly trail: TrailDesk | undefined
}

export interface RouteRequest {
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly namespace: string
  readonly caller: Caller
  readonly port: ClientPort
  readonly payloads: PayloadView
  readonly services: RouteServices
  readonly idempotencyKey: string | undefined
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
  /** Of the key, for what is durable; undefined: there is no key. */
  mark(what: object): RequestMark | undefined
}

export interface Answer {
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; absent: no body. */
  readonly body?: unknown
  /** Instead of a body: writes to the response itself, until the promise resolves. */
  readonly stream?: (response: ServerResponse) => Promise<void>
  /** The caller went before it had the answer. */
  readonly onUndelivered?: () => void
}

export interface AnswerSpec {
  readonly description: string
  readonly body?: TSchema
  /** Default `application/json`. */
  readonly mediaType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface RouteInput<P extends TProperties, Q extends TProperties, B extends TSchema>
  extends RouteRequest {
  readonly params: Static<TObject<P>>
  readonly query: Static<TObject<Q>>
  readonly body: Static<B>
}

export interface RouteSpec<P extends TProperties, Q extends TProperties, B extends TSchema> {
  readonly method: HttpMethod
  /** Under `/v1`, such as `/executions/{id}`. */
  readonly path: string
  /** Unique; for generated clients. */
  readonly operationId: string
  /** The group in the documentation. */
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly params?: P
  /** Beside `namespace`, which each route has. */
  readonly query?: Q
  readonly body?: B
  readonly answers: Readonly<Record<number, AnswerSpec>>
  /** Beside those that any route may answer. */
  readonly errors?: readonly ErrorCode[]
  /** What it calls, for those who decide what a caller may do. */
  readonly needs: readonly Need[]
  /** What a repeat does, with an `Idempotency-Key` or without; of all that create or change something. */
  readonly repeats?: string
  /** Headers that it looks at, and what they mean. */
  readonly headers?: Readonly<Record<string, string>>
  /** The answer has secrets: it is never compressed. */
  readonly isSecret?: true
  /** Without it, `namespace` is no parameter but if `query` has one. Default true. */
  readonly isInNamespace?: false
  run(input: RouteInput<P, Q, B>): Promise<Answer>
}

export interface Route extends Omit<RouteSpec<TProperties, TProperties, TSchema>, 'run'> {
  // What its schemas have let through is what it takes.
  run(
    input: RouteRequest & { readonly params: unknown; readonly query: unknown; readonly body: unknown },
  ): Promise<Answer>
}

/** The one cast: the app calls `run` with what the schemas of the same route have let through. */
export function route<
  P extends TProperties = Record<never, never>,
  Q extends TProperties = Record<never, never>,
  B extends TSchema = TSchema,
>(spec: RouteSpec<P, Q, B>): Route {
  return spec as unknown as Route
}

/** Something outside of `/v1` that answers text of its own, such as `/metrics`. */
export interface Page {
  readonly path: string
  /** It needs no credentials. */
  readonly isPublic: boolean
  answer(request: PageRequest): Promise<PageAnswer>
}

export interface PageRequest {
  /** Undefined: the page is public. */
  readonly caller: Caller | undefined
  readonly url: string
  /** The header `accept`. */
  readonly accept: string | undefined
}

export interface PageAnswer {
  readonly status?: number
  /** Media type; without parameters the text is said to be UTF-8. */
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}
