/**
 * Who may do what, at every door of an engine: HTTP, the sockets of clients and workers.
 *
 * 1. A door asks `authenticate` who calls, before anything else; then it works with what `portOf` gives for that caller alone.
 * 2. What the port of a caller does was decided, counted and recorded: no door asks the engine past it.
 * 3. Who is revoked is told within a second, on all nodes: connections of a caller end when `follow` says so.
 */
import type { PeerCertificate } from 'node:tls'
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import type { PerdureError } from '../../protocol/errors.ts'
import type { Attributes } from '../../protocol/event.ts'
import type { WorkerHello } from '../../protocol/worker-messages.ts'
import type { ActingPort, ActingRule, RuleMaker } from './rule-maker.ts'

export interface Credentials {
  /** The header `authorization`, as it came. */
  readonly authorization?: string
  /** Of the other side of the connection, verified by the authority of this engine. */
  readonly certificate?: PeerCertificate
  /** Where it calls from, without the port: of the connection, or as a trusted proxy says. */
  readonly address: string
}

/** What a call is about, for decisions beyond those on the client's port. */
export interface Resource {
  /** Such as `Namespace`, `ApiKey`, `Policy`, `Audit`, `Webhook`. */
  readonly type: string
  readonly id: string
  /** Absent: it belongs to no namespace. */
  readonly namespace?: string
}

/** What a rule will do to an execution, as far as it says so itself. */
export interface ActingEffect {
  readonly workflowId: string
  /** `workflowId` is a template of it. */
  readonly isTemplate: boolean
  readonly start?: {
    readonly workflow: string
    /** Absent: templates of them are filled by then. */
    readonly attributes?: Attributes | undefined
  }
  readonly isSignal: boolean
}

export interface Access {
  /** It asks for credentials: doors beyond this machine may be opened. */
  readonly isClosed: boolean
  /** Over TLS: whether whoever connects has to have a certificate, or may show something else instead. */
  readonly clientCertificates: 'required' | 'optional'
  /** @throws PerdureError `UNAUTHENTICATED`, `RATE_LIMITED` */
  authenticate(credentials: Credentials): Promise<Caller>
  /**
   * A request over HTTP begins, whatever it asks for.
   *
   * @throws PerdureError `RATE_LIMITED`
   */
  beginRequest(caller: Caller): void
  /** It is answered now: its first call on the port of the caller was counted with it. Returns what to call when it is answered. */
  beginAnswer(caller: Caller): () => void
  /**
   * What a call that is not on the client's port, and is permitted, uses up of a namespace.
   *
   * @param payloads what has its payloads in it
   * @throws PerdureError `RATE_LIMITED`, `QUOTA_EXCEEDED`
   */
  useUp(namespace: string, payloads?: () => readonly unknown[]): void
  /** The port in the name of the caller: its calls throw `FORBIDDEN`, `RATE_LIMITED` and `QUOTA_EXCEEDED` beside what they throw anyway. */
  portOf(caller: Caller): ClientPort
  /** @throws PerdureError `FORBIDDEN` or `NAMESPACE_NOT_FOUND` if the caller may not be such a worker */
  assertWorker(caller: Caller, hello: WorkerHello): Promise<void>
  /** Calls when the caller may not be such a worker any more. Returns how not to be told. */
  followWorker(caller: Caller, hello: WorkerHello, onRefused: (error: PerdureError) => void): () => void
  /**
   * For what is not on the client's port. `action` such as `CreateApiKey`. Resolves with the ids of the policies that permit it; none
   * where none is asked.
   *
   * @throws PerdureError `FORBIDDEN`; `NAMESPACE_NOT_FOUND` if it may not know of the namespace
   */
  assertMay(caller: Caller, action: string, resource: Resource): Promise<readonly string[]>
  /**
   * Before a rule is kept: what policies look at, and the rule does not say, is left for when it acts.
   *
   * @throws PerdureError `FORBIDDEN` if the caller may not do itself what a rule of its is to do
   */
  assertMayAct(caller: Caller, namespace: string, effect: ActingEffect): Promise<void>
  /** Why rules of this maker do nothing, whatever they are about; undefined: that is not so. */
  troubleOf(maker: RuleMaker | undefined): string | undefined
  /** What is to be kept with a rule of the caller. */
  makerOf(caller: Caller): RuleMaker
  /**
   * What a rule does, in the name of its maker. Neither counts for the rate of anybody: what it answers has.
   *
   * @throws PerdureError `FORBIDDEN` if its maker may do nothing any more
   */
  actingPort(rule: ActingRule): Promise<ActingPort>
  /** The same as an answer, for lists: a no is no refusal, and is not recorded. */
  isPermitted(caller: Caller, action: string, resource: Resource): boolean
  /** Calls once when the caller must go: its credential was revoked, or has expired. Returns how not to be told. */
  follow(caller: Caller, onRevoked: (why: string) => void): () => void
}
