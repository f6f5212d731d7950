/**
 * Lets a call through, or says no, before it does anything.
 *
 * 1. Who sees nothing of a namespace is answered as if what was asked for were not there.
 * 2. Who may read something and not do this to it is told so: `FORBIDDEN`.
 * 3. Whoever may not read it is told so only if the same would be said of all others, there or not; else it is not there.
 */
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type Action, isReading, type ResourceType } from './actions.ts'
import type { Authorizer } from './authorizer.ts'
import type { Check } from './client-actions.ts'
import { detailed } from './details.ts'
import type { ResourceFacts } from './resource.ts'
import * as resources from './resources.ts'

export interface Refusal {
  readonly caller: Caller
  readonly action: Action
  readonly resource: ResourceFacts
  /** Ids of the policies that forbid it; none: nothing permits it. */
  readonly policies: readonly string[]
}

export type Missing = () => PerdureError | undefined

export interface GuardParts {
  readonly authorizer: Authorizer
  /** Of the engine, without a guard. */
  readonly port: ClientPort
  /** Whether the namespace is there, for those who may use it. */
  readonly exists: (namespace: string) => boolean
  readonly onRefused: (refusal: Refusal) => void
}

/** What it takes to know of one of these. */
const READS: Readonly<Partial<Record<ResourceType, Action>>> = {
  Execution: 'ReadExecution',
  Task: 'ReadTask',
  Queue: 'ReadQueue',
  Schedule: 'ReadSchedule',
  HumanTask: 'ReadHumanTask',
  Node: 'ListNodes',
  ApiKey: 'ReadApiKey',
  RoleBinding: 'ReadRoleBinding',
  Policy: 'ReadPolicy',
  EventRule: 'ReadEventRule',
  Webhook: 'ReadWebhook',
  Audit: 'ReadAudit',
}

export class Guard {
  readonly #parts: GuardParts

  constructor(parts: GuardParts) {
    this.#parts = parts
  }

  /**
   * @param missing what is said of what is not there; undefined: it is always there. Asked only for a refusal: an error costs
   * as much as the rest of the decision
   * @param isPlain a refusal is told as one
   * @returns ids of the policies that permit it
   */
  async admit(
    caller: Caller,
    checks: readonly Check[],
    missing: Missing,
    isPlain = false,
  ): Promise<readonly string[]> {
    const [first, ...others] = checks
    if (first === undefined) return []
    const how = { missing, isPlain }
    const found = await this.#admit(caller, first, how)
    if (others.length === 0) return found
    const policies = new Set(found)
    for (const check of others) for (const id of await this.#admit(caller, check, how)) policies.add(id)
    return [...policies]
  }

  /** Those that the caller may read. */
  readable<T>(
    caller: Caller,
    action: Action,
    rows: readonly T[],
    of: (row: T) => ResourceFacts,
  ): readonly T[] {
    const { authorizer } = this.#parts
    if (!authorizer.looksAtResource(action)) {
      const [first] = rows
      return first === undefined || authorizer.decide(caller, action, of(first)).isAllowed ? rows : []
    }
    return rows.filter((row) => authorizer.decide(caller, action, of(row)).isAllowed)
  }

  /** Who sees nothing of it is told that it is not there: that is a refusal too. */
  hide(caller: Caller, action: Action, resource: ResourceFacts): void {
    const { authorizer, onRefused } = this.#parts
    onRefused({ caller, action, resource, policies: authorizer.decide(caller, action, resource).policies })
  }

  /** Whether it may know that the namespace is there. */
  sees(caller: Caller, namespace: string): boolean {
    return this.#parts.authorizer.decide(caller, 'ReadNamespace', resources.namespace(namespace)).isAllowed
  }

  async #admit(
    caller: Caller,
    check: Check,
    { missing, isPlain }: { readonly missing: Missing; readonly isPlain: boolean },
  ): Promise<readonly string[]> {
    const { authorizer, exists } = this.#parts
    const { actions, orElse } = check
    const found = this.#isRead(check) ? await this.#read(check) : check.resource
    if (found === undefined && orElse === 'allowed') return []
    const resource = found ?? (orElse === 'allowed' ? undefined : orElse)
    for (const action of resource === undefined ? [] : actions) {
      const { isAllowed, policies } = authorizer.decide(caller, action, resource ?? check.resource)
      if (!isAllowed) continue
      const { namespace } = check.resource
      const absence = namespace === undefined || exists(namespace) ? undefined : missing()
      if (absence === undefined) return policies
      throw absence
    }
    const refusal = this.#refusal(caller, check, resource)
    if (isPlain && refusal === undefined && resource !== undefined) throw this.#forbidden(caller, check)
    throw refusal ?? missing() ?? this.#forbidden(caller, check)
  }

  /** Policies look at more of it than the call says. */
  #isRead(check: Check): boolean {
    return check.target !== undefined && this.#looksAtTarget(check)
  }

  /** Undefined: it is not there. */
  async #read({ resource, target }: Check): Promise<ResourceFacts | undefined> {
    return target === undefined ? resource : await detailed(this.#parts.port, target)
  }

  /** Undefined: it is to look as if it were not there. */
  #refusal(caller: Caller, check: Check, resource: ResourceFacts | undefined): PerdureError | undefined {
    const { authorizer, onRefused } = this.#parts
    const [action] = check.actions
    if (action === undefined) throw new Error('invariant: a check without an action')
    const { policies } = authorizer.decide(caller, action, resource ?? check.resource)
    onRefused({ caller, action, resource: resource ?? check.resource, policies })
    const { namespace, type } = check.resource
    if (namespace !== undefined && !this.sees(caller, namespace)) return undefined
    if (resource === undefined) return undefined
    const reading = isReading(action) ? undefined : READS[type]
    const mayRead = reading !== undefined && authorizer.decide(caller, reading, resource).isAllowed
    // With `orElse` the call itself tells whether it is there: a start says so anyway.
    const isSameForAll =
      check.target === undefined || check.orElse !== undefined || !this.#looksAtTarget(check)
    return mayRead || isSameForAll ? this.#forbidden(caller, check) : undefined
  }

  #looksAtTarget({ actions, resource }: Check): boolean {
    return actions.some((action) => this.#parts.authorizer.needsDetails(action, resource.type))
  }

  #forbidden({ id }: Caller, { actions: [action], resource: { namespace } }: Check): PerdureError {
    const where =
      namespace === undefined
        ? ', which belongs to no namespace: only a role that is given everywhere counts, such as viewer@* or admin@*'
        : ` in namespace ${namespace}`
    return new PerdureError('FORBIDDEN', `${id} has no permission for ${action}${where}`)
  }
}
