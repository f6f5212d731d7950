/** Who has which role where: from bindings in the registry, and from what credentials bring along. */

import type { Registry, RegistryKey } from '../../engine/registry/registry-port.ts'
import type { Caller } from '../../protocol/caller.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { type Grant, grantOf, isRole, type Role } from './roles.ts'

export const ROLE_BINDING_KIND = 'role-binding'

/** A role of a principal or a group. */
export interface RoleBinding extends Grant {
  /** `key:ID`, `token:ISSUER#SUBJECT`, `certificate:NAME`, or `group:NAME`. */
  readonly principal: string
}

const PRINCIPAL = /^(key|token|certificate|group):/

export function isPrincipal(text: string): boolean {
  return PRINCIPAL.test(text)
}

export function bindingId({ principal, role }: RoleBinding): string {
  return `${role} ${principal}`
}

export class RoleBindings {
  readonly #unfollow: () => void
  /** By the place of their bindings. */
  readonly #byPrincipal = new Map<string, Map<string, Grant>>()
  /** How many there are in each namespace; of none: ''. */
  readonly #counts = new Map<string, number>()
  /** Of a caller, as the bindings are now. */
  #known = new WeakMap<Caller, readonly Grant[]>()

  constructor(registry: Registry, onChange: () => void) {
    for (const entry of registry.list(ROLE_BINDING_KIND)) this.#bind(entry, true)
    // One change costs the same, however many bindings there are.
    this.#unfollow = registry.follow(ROLE_BINDING_KIND, (key, entry) => {
      this.#bind(key, entry !== undefined)
      onChange()
    })
  }

  grantsOf(caller: Caller): readonly Grant[] {
    const known = this.#known.get(caller)
    if (known !== undefined) return known
    const own = (caller.roles ?? []).flatMap(
      (text) => grantOf(text, caller.namespace ?? DEFAULT_NAMESPACE) ?? [],
    )
    const bound = [caller.id, ...caller.groups.map((group) => `group:${group}`)].flatMap((principal) => [
      ...(this.#byPrincipal.get(principal)?.values() ?? []),
    ])
    const grants = [...own, ...bound]
    this.#known.set(caller, grants)
    return grants
  }

  /** @param namespace of what it is about; undefined: of nothing, then only roles everywhere count */
  rolesOf(caller: Caller, namespace: string | undefined): readonly Role[] {
    const roles = new Set<Role>()
    for (const grant of this.grantsOf(caller))
      if (grant.namespace === undefined || grant.namespace === namespace) roles.add(grant.role)
    return [...roles].sort()
  }

  /** @param namespace empty: of those everywhere */
  countIn(namespace: string): number {
    return this.#counts.get(namespace) ?? 0
  }

  close(): void {
    this.#unfollow()
  }

  #bind({ namespace, id }: Pick<RegistryKey, 'namespace' | 'id'>, isBound: boolean): void {
    const space = id.indexOf(' ')
    const [role, principal] = [id.slice(0, space), id.slice(space + 1)]
    if (!isRole(role)) return
    const place = `${namespace} ${role}`
    const grants = this.#byPrincipal.get(principal) ?? new Map<string, Grant>()
    this.#count(namespace, Number(isBound) - Number(grants.has(place)))
    if (isBound) grants.set(place, namespace === '' ? { role } : { role, namespace })
    else grants.delete(place)
    if (grants.size === 0) this.#byPrincipal.delete(principal)
    else this.#byPrincipal.set(principal, grants)
    this.#known = new WeakMap()
  }
  #count(namespace: string, by: number): void {
    const count = this.countIn(namespace) + by
    if (count === 0) this.#counts.delete(namespace)
    else this.#counts.set(namespace, count)
  }
}
