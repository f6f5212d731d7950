/**
 * Decides who may do what.
 *
 * 1. Nothing is allowed that no policy permits, and nothing that one forbids; but the key of the machine may do everything.
 * 2. A decision that is kept is the one that would be made anew: it is kept under all that the policies look at, not at all if
 *    they look at the time, and all are forgotten when policies or role bindings change.
 */
import type { Caller } from '../../protocol/caller.ts'
import { type Action, isOfEngine } from './actions.ts'
import { needsDetails } from './policy-needs.ts'
import type { AccessRequest, Decision, PolicySet } from './policy-set.ts'
import type { ResourceFacts } from './resource.ts'
import type { RoleBindings } from './role-bindings.ts'

const CACHED_MOST = 20_000

/** It is not decided by policies: no policy can shut it out. */
const MASTER: Decision = { isAllowed: true, policies: ['key-of-this-machine'], errors: [] }

export interface AuthorizerParts {
  /** Whether it has shown the key of this machine. */
  readonly isMaster: (caller: Caller) => boolean
  readonly bindings: RoleBindings
  /** Those in force. */
  readonly policies: () => PolicySet
  readonly nowMs: () => number
}

export interface AuthorizerCounts {
  decided: number
  /** Of these, taken from the cache. */
  cached: number
}

export class Authorizer {
  readonly counts: AuthorizerCounts = { decided: 0, cached: 0 }
  readonly #parts: AuthorizerParts
  readonly #decisions = new Map<string, Decision>()
  /** Of callers, and of what is behind them: all that are the same to policies have one number. */
  #identities = new WeakMap<Caller, number>()
  readonly #numbers = new Map<string, number>()

  constructor(parts: AuthorizerParts) {
    this.#parts = parts
  }

  /** Whether a policy looks at what has to be read of the resource first. */
  needsDetails(action: Action, type: ResourceFacts['type']): boolean {
    return needsDetails(this.#parts.policies().needsOf(action), type)
  }

  /** Whether a policy looks at one of these: of the resource, or `'*'`, what it is as a whole. */
  looksAt(action: Action, names: readonly string[]): boolean {
    const { resource } = this.#parts.policies().needsOf(action)
    return names.some((name) => resource.has(name))
  }

  /** Whether the answer may differ between two resources of one type and namespace. */
  looksAtResource(action: Action): boolean {
    return this.#parts.policies().needsOf(action).resource.size > 0
  }

  decide(caller: Caller, action: Action, resource: ResourceFacts): Decision {
    if (this.#parts.isMaster(caller)) return MASTER
    const policies = this.#parts.policies()
    this.counts.decided += 1
    const key = this.#keyOf(caller, action, resource)
    const known = key === undefined ? undefined : this.#decisions.get(key)
    if (known !== undefined) {
      this.counts.cached += 1
      return known
    }
    const decision = policies.decide(this.requestOf(caller, action, resource))
    if (key !== undefined) this.#keep(key, decision)
    return decision
  }

  requestOf(caller: Caller, action: Action, resource: ResourceFacts): AccessRequest {
    const { bindings, nowMs } = this.#parts
    const roles = bindings.rolesOf(caller, isOfEngine(action) ? undefined : resource.namespace)
    return { caller, roles, action, resource, nowMs: nowMs() }
  }

  /** Policies or role bindings have changed. */
  forget(): void {
    this.#decisions.clear()
    this.#numbers.clear()
    this.#identities = new WeakMap()
  }

  #keyOf(caller: Caller, action: Action, resource: ResourceFacts): string | undefined {
    const needs = this.#parts.policies().needsOf(action)
    if (needs.time) return undefined
    const { type, namespace } = resource
    const about = needs.resource.size === 0 ? [type, namespace] : resource
    return JSON.stringify([this.#identityOf(caller), action, needs.address ? caller.address : 0, about])
  }

  /** The number of all of a caller that policies can look at. */
  #identityOf(caller: Caller): number {
    const known = this.#identities.get(caller)
    if (known !== undefined) return known
    if (this.#numbers.size >= CACHED_MOST) this.forget()
    const { id, kind, user, groups } = caller
    const identity = JSON.stringify([id, kind, user, groups, this.#parts.bindings.grantsOf(caller)])
    const number = this.#numbers.get(identity) ?? this.#numbers.size
    this.#numbers.set(identity, number)
    this.#identities.set(caller, number)
    return number
  }

  #keep(key: string, decision: Decision): void {
    if (this.#decisions.size >= CACHED_MOST) {
      const [oldest = ''] = this.#decisions.keys()
      this.#decisions.delete(oldest)
    }
    this.#decisions.set(key, decision)
  }
}
