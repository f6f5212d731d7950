/**
 * Access of an engine that listens before it is open, as a node of a cluster does: whoever comes waits until it is known who
 * may do what.
 */
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { WorkerHello } from '../../protocol/worker-messages.ts'
import type { Access, ActingEffect, Credentials, Resource } from './access.ts'
import type { ClosedAccess } from './closed-access.ts'
import type { EngineAccess } from './open-closed-access.ts'
import type { OpenPlaces } from './open-places.ts'
import type { ActingPort, ActingRule, RuleMaker } from './rule-maker.ts'

export class LateAccess implements Access {
  readonly isClosed = true
  readonly clientCertificates: 'required' | 'optional'
  readonly #opening = Promise.withResolvers<EngineAccess>()
  #access: ClosedAccess | undefined
  #opened: EngineAccess | undefined

  constructor(clientCertificates: 'required' | 'optional') {
    this.clientCertificates = clientCertificates
    // Whoever waits is told; if nobody does, it is nobody's trouble.
    this.#opening.promise.catch(() => {})
  }

  /** Undefined: it is not open yet. */
  get opened(): EngineAccess | undefined {
    return this.#opened
  }

  open(opened: EngineAccess): void {
    this.#opened = opened
    this.#access = opened.closed
    this.#opening.resolve(opened)
  }

  close(): void {
    this.#opening.reject(new PerdureError('ENGINE_CLOSED', 'the engine closes'))
    this.#access?.close()
  }

  /** What may be open in namespaces. */
  async places(): Promise<OpenPlaces> {
    const { places } = await this.#opening.promise
    return places
  }

  authenticate(credentials: Credentials): Promise<Caller> {
    return (
      this.#access?.authenticate(credentials) ??
      this.#opening.promise.then(({ closed }) => closed.authenticate(credentials))
    )
  }

  beginRequest(caller: Caller): void {
    this.#entered.beginRequest(caller)
  }

  beginAnswer(caller: Caller): () => void {
    return this.#entered.beginAnswer(caller)
  }

  useUp(namespace: string, payloads?: () => readonly unknown[]): void {
    this.#entered.useUp(namespace, payloads)
  }

  portOf(caller: Caller): ClientPort {
    return this.#entered.portOf(caller)
  }

  assertWorker(caller: Caller, hello: WorkerHello): Promise<void> {
    return this.#entered.assertWorker(caller, hello)
  }

  followWorker(caller: Caller, hello: WorkerHello, onRefused: (error: PerdureError) => void): () => void {
    return this.#entered.followWorker(caller, hello, onRefused)
  }

  assertMay(caller: Caller, action: string, resource: Resource): Promise<readonly string[]> {
    return this.#entered.assertMay(caller, action, resource)
  }

  assertMayAct(caller: Caller, namespace: string, effect: ActingEffect): Promise<void> {
    return this.#entered.assertMayAct(caller, namespace, effect)
  }

  troubleOf(maker: RuleMaker | undefined): string | undefined {
    return this.#entered.troubleOf(maker)
  }

  makerOf(caller: Caller): RuleMaker {
    return this.#entered.makerOf(caller)
  }

  /** Rules may have to act before anybody was let in. */
  async actingPort(rule: ActingRule): Promise<ActingPort> {
    const { closed } = await this.#opening.promise
    return await closed.actingPort(rule)
  }

  isPermitted(caller: Caller, action: string, resource: Resource): boolean {
    return this.#entered.isPermitted(caller, action, resource)
  }

  follow(caller: Caller, onRevoked: (why: string) => void): () => void {
    return this.#entered.follow(caller, onRevoked)
  }

  get #entered(): ClosedAccess {
    if (this.#access === undefined) throw new Error('invariant: there is a caller before anybody was let in')
    return this.#access
  }
}
