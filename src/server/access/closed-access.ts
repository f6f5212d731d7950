/**
 * Access for those who show who they are: by an API key, a token, or a certificate; and may do what policies permit.
 *
 * 1. Who is refused learns why only as far as it has shown a secret of its own.
 * 2. Addresses that fail again and again are answered that they ask too often; what is good is let in all the same, as far as
 *    that can be told without a signature being checked.
 */
import type { PeerCertificate } from 'node:tls'
import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { MetricsRegistry } from '../../platform/metrics.ts'
import type { Caller } from '../../protocol/caller.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { noNamespace } from '../../protocol/missing.ts'
import type { WorkerHello } from '../../protocol/worker-messages.ts'
import type { Access, ActingEffect, Credentials, Resource } from './access.ts'
import type { CheckedAccessSettings } from './access-settings.ts'
import { isAction, RESOURCE_TYPES } from './actions.ts'
import { type AdminKey, adminKeyOf } from './admin-key-file.ts'
import { apiKeyOf, hashOfSecret, isApiKey, isSameHash } from './api-key.ts'
import { API_KEY_KIND } from './api-key-records.ts'
import { ApiKeys, type FoundKey } from './api-keys.ts'
import { Authorizer } from './authorizer.ts'
import { CallQuotas } from './call-quotas.ts'
import type { Check } from './client-actions.ts'
import type { Credential, CredentialWatch } from './credential-watch.ts'
import { watchCredentials } from './credential-watch.ts'
import { type FailedLogin, FailedLogins } from './failed-logins.ts'
import { Guard, type Refusal } from './guard.ts'
import { GuardedPorts, type RecordCall } from './guarded-port.ts'
import { KeysUnavailableError } from './issuer-keys.ts'
import { type Identity, KnownCallers } from './known-callers.ts'
import { NamespaceKeys } from './namespace-keys.ts'
import { Namespaces } from './namespaces.ts'
import { Policies } from './policies.ts'
import { RateLimiter } from './rate-limiter.ts'
import { DETAILS } from './resource.ts'
import * as resources from './resources.ts'
import { RoleBindings } from './role-bindings.ts'
import { grantOf, type Role } from './roles.ts'
import { type ActingPort, type ActingRule, type RuleMaker, ruleMakerOf } from './rule-maker.ts'
import { TokenRefusedError, TokenVerifier } from './token-verifier.ts'
import { workerChecks } from './worker-actions.ts'

export interface ClosedAccessParts {
  readonly settings: CheckedAccessSettings
  readonly registry: Registry
  /** Of the engine. */
  readonly port: ClientPort
  readonly logger: Logger
  readonly clock: Clock
  /** Default: nothing is counted. */
  readonly metrics?: MetricsRegistry | undefined
  readonly onRefused?: (refusal: Refusal) => void
  /** Default: nothing is recorded. */
  readonly record?: RecordCall
}

/** Of an address: so many at once, and then so often. */
const FAILURES = { perSecond: 1 / 6, burst: 10 }
const ADDRESSES_MOST = 10_000
const AUTHORIZATION = /^bearer +([\x21-\x7e]+) *$/i
const KEY_PREFIX = 'key:'
const MALFORMED: FailedLogin = { credential: 'unknown', reason: 'malformed' }
/** Of a rule that does not say. */
const UNKNOWN_MAKER = { id: 'unknown', kind: 'open' } as const
const ADMIN = { kind: 'api-key', name: 'key of this machine', groups: [], roles: ['admin@*'] } as const

export class ClosedAccess implements Access {
  readonly isClosed = true
  readonly authorizer: Authorizer
  readonly policies: Policies
  readonly bindings: RoleBindings
  readonly namespaces: Namespaces
  readonly namespaceKeys: NamespaceKeys
  readonly guard: Guard
  readonly #parts: ClosedAccessParts
  readonly #keys: ApiKeys
  readonly #tokens: TokenVerifier
  readonly #admin: (AdminKey & { readonly identity: Identity }) | undefined
  readonly #quotas: CallQuotas
  readonly #failures: RateLimiter
  readonly #failedLogins: FailedLogins
  readonly #watch: CredentialWatch
  readonly #credentials = new WeakMap<Caller, Credential>()
  readonly #onRefused: (refusal: Refusal) => void
  readonly #guarded: GuardedPorts
  /** In the name of makers of rules. */
  readonly #acting: GuardedPorts
  readonly #ports = new WeakMap<Caller, ClientPort>()
  readonly #callers = new KnownCallers()

  /** @throws PerdureError `ARGUMENT_INVALID`: policies or the file of the key are not as they should be */
  static async open(parts: ClosedAccessParts): Promise<ClosedAccess> {
    const { settings, registry, logger, clock } = parts
    const admin = settings.adminKeyFile === undefined ? undefined : adminKeyOf(settings.adminKeyFile)
    if (admin?.isNew === true)
      logger.warn('a key that may do everything was made', { file: settings.adminKeyFile })
    if (admin === undefined && settings.tokens.length === 0 && registry.list(API_KEY_KIND).length === 0)
      logger.warn(
        'nobody can get in but with a certificate: access has no key of the machine (adminKeyFile, --admin-key-file), no issuer of tokens, and there is no API key',
      )
    let access: ClosedAccess | undefined
    const policies = await Policies.open({
      path: settings.policies,
      registry,
      logger,
      clock,
      onChange: () => access?.changed(),
    })
    access = new ClosedAccess(parts, policies, admin)
    return access
  }

  private constructor(parts: ClosedAccessParts, policies: Policies, admin: AdminKey | undefined) {
    const { settings, registry, logger, clock, port } = parts
    const nowMs = (): number => clock.nowMs()
    const tickMs = (): number => clock.tickMs?.() ?? clock.nowMs()
    this.#parts = parts
    this.#admin = admin && { ...admin, identity: { ...ADMIN, id: `${KEY_PREFIX}${admin.id}` } }
    this.policies = policies
    this.bindings = new RoleBindings(registry, () => this.changed())
    this.authorizer = new Authorizer({
      bindings: this.bindings,
      policies: () => policies.current,
      nowMs,
      isMaster: (caller) => this.#credentials.get(caller)?.kind === 'master',
    })
    this.namespaces = new Namespaces(registry, settings.strictNamespaces, (name) => this.#quotas.forget(name))
    this.#quotas = new CallQuotas({
      namespaces: this.namespaces,
      rateLimit: settings.rateLimit,
      nowMs: tickMs,
    })
    this.#onRefused = parts.onRefused ?? (() => {})
    this.guard = new Guard({
      authorizer: this.authorizer,
      port,
      exists: (namespace) => this.namespaces.exists(namespace),
      onRefused: this.#onRefused,
    })
    const { record = (_, __, run) => run() } = parts
    const ports = { guard: this.guard, port, record }
    this.#guarded = new GuardedPorts({ ...ports, limits: this.#quotas })
    this.#acting = new GuardedPorts({ ...ports, limits: this.#quotas.ofRules, isPlain: true })
    this.namespaceKeys = new NamespaceKeys(registry)
    this.#keys = new ApiKeys({ registry, logger, nowMs })
    this.#tokens = new TokenVerifier({ issuers: settings.tokens, logger, nowMs })
    this.#failures = new RateLimiter(FAILURES, ADDRESSES_MOST, tickMs)
    this.#failedLogins = new FailedLogins({ logger, clock, metrics: parts.metrics })
    this.#watch = watchCredentials({ registry, keys: this.#keys, clock })
  }

  async authenticate({ authorization, certificate, address }: Credentials): Promise<Caller> {
    if (authorization !== undefined) {
      const [, given] = AUTHORIZATION.exec(authorization) ?? []
      if (given === undefined)
        throw this.#failed(
          address,
          MALFORMED,
          'the header authorization is not of the form Bearer <key or token>',
        )
      return isApiKey(given) ? this.#byKey(given, address) : await this.#byToken(given, address)
    }
    if (certificate !== undefined) return this.#byCertificate(certificate, address)
    const why = 'no API key, token or certificate was given'
    this.#failedLogins.add(address, { credential: 'none', reason: 'missing' }, why)
    throw new PerdureError('UNAUTHENTICATED', why)
  }

  beginRequest(caller: Caller): void {
    this.#quotas.beginRequest(caller)
  }

  beginAnswer(caller: Caller): () => void {
    return this.#quotas.beginAnswer(caller)
  }

  useUp(namespace: string, payloads?: () => readonly unknown[]): void {
    this.#quotas.useUp(namespace, payloads)
  }

  portOf(caller: Caller): ClientPort {
    const known = this.#ports.get(caller)
    if (known !== undefined) return known
    const made = this.#guarded.of(caller)
    this.#ports.set(caller, made)
    return made
  }

  /** @throws PerdureError `FORBIDDEN`; `NAMESPACE_NOT_FOUND` if it may not know of the namespace */
  async assertWorker(caller: Caller, hello: WorkerHello): Promise<void> {
    await this.guard.admit(caller, workerChecks(hello), () => noNamespace(hello.namespace))
  }

  /** The caller came with this very secret of its key. */
  showsSecret(caller: Caller, hash: string): boolean {
    const credential = this.#credentials.get(caller)
    return credential?.kind === 'api-key' && isSameHash(credential.hash, hash)
  }

  async assertMayAct(caller: Caller, namespace: string, effect: ActingEffect): Promise<void> {
    const { workflowId, isTemplate, start, isSignal } = effect
    const resource = resources.execution({ namespace, workflowId }, start)
    const id = isTemplate ? ['workflowId', '*'] : []
    const attributes = start?.attributes === undefined ? ['tags'] : []
    // What is signalled may be there by then, and is as it is.
    const details = DETAILS.Execution ?? []
    const actions = [
      ...(start === undefined ? [] : [{ action: 'StartExecution', unsaid: [...id, ...attributes] } as const]),
      ...(isSignal ? [{ action: 'SignalExecution', unsaid: [...id, ...details] } as const] : []),
    ]
    // As the rule will act: whoever has shown the key of the machine is subject to policies then.
    const actor = this.#actorOf(this.makerOf(caller))
    await this.guard.admit(
      typeof actor === 'string' ? caller : actor,
      actions
        .filter(({ action, unsaid }) => !this.authorizer.looksAt(action, unsaid))
        .map(({ action }) => ({ actions: [action], resource })),
      () => noNamespace(namespace),
    )
  }

  /** The key of this principal brings the role along, whatever is bound. */
  isRoleOfKey(principal: string, role: Role, namespace: string | undefined): boolean {
    if (!principal.startsWith(KEY_PREFIX)) return false
    const holder = this.#keys.holderOf(principal.slice(KEY_PREFIX.length))
    if (typeof holder === 'string') return false
    const own = holder.namespace ?? DEFAULT_NAMESPACE
    return (holder.roles ?? []).some((text) => {
      const grant = grantOf(text, own)
      return grant?.role === role && grant.namespace === namespace
    })
  }

  /** Why rules of this maker rest, whatever they are about; undefined: they do not, for that. */
  troubleOf(maker: RuleMaker | undefined): string | undefined {
    const actor = this.#actorOf(maker)
    return typeof actor === 'string' ? actor : undefined
  }

  makerOf(caller: Caller): RuleMaker {
    return ruleMakerOf(caller, this.#credentials.get(caller)?.kind === 'master')
  }

  async actingPort({ maker, namespace, name }: ActingRule): Promise<ActingPort> {
    const actor = this.#actorOf(maker)
    if (typeof actor !== 'string') return this.#acting.of({ ...actor, name })
    const { id, kind } = maker ?? UNKNOWN_MAKER
    const caller = { id, kind, groups: [], name }
    const refuse = (action: 'StartExecution' | 'SignalExecution', workflowId: string): never => {
      const resource = resources.execution({ namespace, workflowId })
      this.#onRefused({ caller, action, resource, policies: [] })
      const mending = 'whoever saves it again is its maker from then on'
      throw new PerdureError('FORBIDDEN', `${actor}: ${mending}`)
    }
    return {
      start: async ({ key }) => refuse('StartExecution', key.workflowId),
      signal: async ({ key }) => refuse('SignalExecution', key.workflowId),
    }
  }

  async assertMay(caller: Caller, action: string, about: Resource): Promise<readonly string[]> {
    const { namespace } = about
    const missing = (): PerdureError | undefined =>
      namespace === undefined ? undefined : noNamespace(namespace)
    return await this.guard.admit(caller, [checkOf(action, about)], missing)
  }

  isPermitted(caller: Caller, action: string, about: Resource): boolean {
    const { actions, resource } = checkOf(action, about)
    return actions.every((each) => this.authorizer.decide(caller, each, resource).isAllowed)
  }

  follow(caller: Caller, onRevoked: (why: string) => void): () => void {
    return this.#watch.follow(caller, this.#credentials.get(caller), onRevoked)
  }

  followWorker(caller: Caller, hello: WorkerHello, onRefused: (error: PerdureError) => void): () => void {
    return this.#watch.onChange(() => {
      this.assertWorker(caller, hello).catch((error: unknown) => {
        if (!(error instanceof PerdureError)) throw error
        onRefused(error)
      })
    })
  }

  get clientCertificates(): 'required' | 'optional' {
    return this.#parts.settings.clientCertificates
  }

  /** For `/readyz`, and for people: what is not as it was configured. */
  get trouble(): string | undefined {
    return this.policies.trouble
  }

  /** Nobody is let in but the key of the machine. */
  get isShut(): boolean {
    return this.policies.isShut
  }

  close(): void {
    this.#watch.close()
    this.#failedLogins.close()
    this.policies.close()
    this.bindings.close()
    this.namespaces.close()
    this.namespaceKeys.close()
  }

  /** Policies or roles. */
  changed(): void {
    this.authorizer.forget()
    this.#watch.changed()
  }

  /** As it is by now; a text: why it may do nothing. */
  #actorOf(maker: RuleMaker | undefined): Caller | string {
    if (maker === undefined) return 'it is not known who has made it'
    const { isMaster = false, ...kept } = maker
    const { id, kind, address } = kept
    const from = address === undefined ? {} : { address }
    // It was let in by itself, not by policies: what acts without it is subject to them.
    if (isMaster)
      return id === this.#admin?.identity.id
        ? { ...ADMIN, id, ...from }
        : 'the key of the machine that has made it is not that of this node any more'
    if (kind === 'api-key') {
      const holder = this.#keys.holderOf(id.slice(KEY_PREFIX.length))
      return typeof holder === 'string' ? holder : { ...holder, ...from }
    }
    if (kind === 'certificate') return kept
    if (kind !== 'token') return 'it was made when nobody was asked for credentials'
    const isTrusted = this.#parts.settings.tokens.some(({ issuer }) => id.startsWith(`token:${issuer}#`))
    return isTrusted ? kept : `tokens of its maker, ${id}, are not accepted any more`
  }

  #byKey(text: string, address: string): Caller {
    const known = this.#keys.known(text)
    if (known !== undefined) return this.#byFoundKey(known, address)
    const given = apiKeyOf(text)
    if (given !== undefined && given.id === this.#admin?.id) {
      if (!isSameHash(hashOfSecret(given.secret), this.#admin.hash))
        throw this.#failed(address, refused('api-key'), 'there is no such API key')
      return this.#known(this.#admin.identity, address, { kind: 'master' })
    }
    if (given === undefined) {
      const cut = { credential: 'api-key', reason: 'malformed' } as const
      throw this.#failed(address, cut, 'that is no whole API key')
    }
    const found = this.#keys.find(given, text)
    if (typeof found === 'string') throw this.#failed(address, refused('api-key'), found)
    return this.#byFoundKey(found, address)
  }

  #byFoundKey({ id, caller, hash }: FoundKey, address: string): Caller {
    return this.#known(caller, address, { kind: 'api-key', id, hash })
  }

  async #byToken(token: string, address: string): Promise<Caller> {
    const known = this.#tokens.known(token)
    const waitMs = known === undefined ? this.#failures.wait(address) : undefined
    if (waitMs !== undefined) {
      const error = tooOften(address, waitMs)
      this.#failedLogins.add(address, { credential: 'token', reason: 'too-often' }, error.message)
      throw error
    }
    try {
      const { caller, expiresMs } = known ?? (await this.#tokens.verify(token))
      return this.#known(caller, address, { kind: 'token', expiresMs })
    } catch (error) {
      if (error instanceof TokenRefusedError) throw this.#failed(address, refused('token'), error.message)
      // It is not the caller's fault.
      if (error instanceof KeysUnavailableError) {
        this.#failedLogins.add(address, { credential: 'token', reason: 'unavailable' }, error.message)
        throw new PerdureError('UNAUTHENTICATED', error.message, { cause: error })
      }
      throw error
    }
  }

  #byCertificate({ subject }: PeerCertificate, address: string): Caller {
    const name: unknown = subject?.CN
    if (typeof name !== 'string')
      throw this.#failed(
        address,
        refused('certificate'),
        'the certificate has no common name (CN), or several',
      )
    const user = checkedName(name, 'the common name of the certificate')
    const caller = { id: `certificate:${user}`, kind: 'certificate', user, groups: [] } as const
    return this.#known(caller, address, { kind: 'lasting' })
  }

  /** Its credential was looked at, as at each request. */
  #known(identity: Identity, address: string, credential: Credential): Caller {
    return this.#callers.of(identity, address, credential, (caller) => {
      this.#credentials.set(caller, credential)
    })
  }

  #failed(address: string, how: FailedLogin, why: string): PerdureError {
    this.#failedLogins.add(address, how, why)
    const waitMs = this.#failures.take(address)
    return waitMs === undefined ? new PerdureError('UNAUTHENTICATED', why) : tooOften(address, waitMs)
  }
}

function refused(credential: FailedLogin['credential']): FailedLogin {
  return { credential, reason: 'refused' }
}

function checkOf(action: string, { type, id, namespace }: Resource): Check {
  const known = RESOURCE_TYPES.find((each) => each === type)
  if (!isAction(action) || known === undefined)
    throw new Error(`invariant: there is no action ${action}, or no type ${type}`)
  const resource =
    known === 'Namespace' && namespace !== undefined
      ? resources.namespace(namespace)
      : resources.administrative(known, namespace, id)
  return { actions: [action], resource }
}

function tooOften(address: string, waitMs: number): PerdureError {
  return new PerdureError(
    'RATE_LIMITED',
    `${address} has failed to show who it is too often: again in ${waitMs} ms`,
    { retryAfterMs: waitMs },
  )
}
