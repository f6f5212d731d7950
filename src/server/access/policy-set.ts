/** Policies that were found to be good, ready to decide. Cedar is loaded when the first of them is made. */
import { isIP } from 'node:net'
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs'
import type { EntityJson, PolicyJson, Response, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs'
import type { Caller } from '../../protocol/caller.ts'
import { type Action, isReading } from './actions.ts'
import { CEDAR_NAMESPACE, cedarSchema } from './cedar-schema.ts'
import { type Needs, needsOf } from './policy-needs.ts'
import type { ResourceFacts } from './resource.ts'
import type { Role } from './roles.ts'

export type Cedar = typeof CedarModule

export interface PolicyText {
  /** Unique; shown to people. */
  readonly id: string
  /** One policy. */
  readonly text: string
  /** Where it begins in what people have written, from 1. Absent: nobody has. */
  readonly line?: number
}

export interface AccessRequest {
  readonly caller: Caller
  /** Those that count for this resource. */
  readonly roles: readonly Role[]
  readonly action: Action
  readonly resource: ResourceFacts
  readonly nowMs: number
}

export interface Decision {
  readonly isAllowed: boolean
  /** Ids of the policies that decided; none: nothing permits it. */
  readonly policies: readonly string[]
  /** Policies that could not be applied: for one that forbids, the answer is no. */
  readonly errors: readonly string[]
}

/** What is wrong with policies. */
export class PolicyInvalidError extends Error {
  override readonly name = 'PolicyInvalidError'
}

let loaded: Promise<Cedar> | undefined
let sets = 0
/** Space and comments. */
const BETWEEN = /^(?:\s|\/\/[^\n]*)*/

export function loadCedar(): Promise<Cedar> {
  loaded ??= import('@cedar-policy/cedar-wasm/nodejs')
  return loaded
}

/**
 * The policies of a text, each with the id of its annotation `@id("…")`, or its number. No two have the same id, whatever they and
 * their texts are called.
 *
 * @param source what kind of text it is, and which
 * @throws PolicyInvalidError
 */
export function policiesOf(
  cedar: Cedar,
  text: string,
  source: readonly [kind: 'api' | 'file', name: string],
): readonly PolicyText[] {
  const parts = cedar.policySetTextToParts(text)
  if (parts.type === 'failure') throw new PolicyInvalidError(messagesOf(parts.errors, { text, line: 1 }))
  if (parts.policy_templates.length > 0)
    throw new PolicyInvalidError('it has a template (?principal, ?resource): write policies without them')
  return placed(text, parts.policies).map(({ policy, line }, index) => {
    const named = jsonOf(cedar, policy).annotations?.id
    const parts = [...source.map(idPart), named === undefined ? `${index + 1}` : namedPart(named)]
    return { id: parts.join(':'), text: policy, line }
  })
}

/** Parts of an id are apart, whatever is in them. */
function idPart(text: string): string {
  return text.replace(/[%:"]/g, (character) => encodeURIComponent(character))
}

/** A name is no number of a policy without one. */
function namedPart(named: string): string {
  return /^\d+$/.test(named) ? `"${named}"` : idPart(named)
}

/** Each is a piece of the text; Cedar gives them in an order of its own. */
function placed(
  text: string,
  policies: readonly string[],
): readonly { readonly policy: string; readonly line: number }[] {
  const left = [...policies]
  let [at, line] = [0, 1]
  return policies.map(() => {
    const between = BETWEEN.exec(text.slice(at))?.[0] ?? ''
    at += between.length
    const next = left.findIndex((policy) => text.startsWith(policy, at))
    const [policy] = next < 0 ? [] : left.splice(next, 1)
    if (policy === undefined) throw new Error('invariant: a policy is not where it was read')
    const begin = line + newlinesIn(between)
    at += policy.length
    line = begin + newlinesIn(policy)
    return { policy, line: begin }
  })
}

export class PolicySet {
  readonly #cedar: Cedar
  readonly #id: string
  readonly #needs: ReadonlyMap<Action, Needs>
  readonly #texts: ReadonlyMap<string, PolicyText>
  readonly #forbids: ReadonlySet<string>

  /** @throws PolicyInvalidError: what does not parse, or does not fit the schema */
  constructor(cedar: Cedar, policies: readonly PolicyText[]) {
    this.#cedar = cedar
    this.#texts = new Map(policies.map((policy) => [policy.id, policy]))
    if (this.#texts.size < policies.length)
      throw new PolicyInvalidError('two policies have the same @id in the same place')
    const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]))
    checkAgainstSchema(cedar, this.#texts)
    const parsed = policies.map(({ id, text }) => ({ id, json: jsonOf(cedar, text) }))
    this.#needs = needsOf(parsed.map(({ json }) => json))
    this.#forbids = new Set(parsed.flatMap(({ id, json }) => (json.effect === 'forbid' ? [id] : [])))
    sets += 1
    this.#id = `perdure-${sets}`
    const prepared = cedar.preparsePolicySet(this.#id, { staticPolicies })
    if (prepared.type === 'failure') throw new PolicyInvalidError(messagesOf(prepared.errors))
  }

  get size(): number {
    return this.#texts.size
  }

  textOf(id: string): string | undefined {
    return this.#texts.get(id)?.text
  }

  needsOf(action: Action): Needs {
    const needs = this.#needs.get(action)
    if (needs === undefined) throw new Error(`invariant: nobody has looked what ${action} needs`)
    return needs
  }

  decide({ caller, roles, action, resource, nowMs }: AccessRequest): Decision {
    const principal = principalOf(caller, roles)
    const target = resourceOf(resource)
    const answer = this.#cedar.statefulIsAuthorized({
      principal: principal.uid,
      action: uidOf('Action', action),
      resource: target.uid,
      context: contextOf(caller, nowMs),
      preparsedPolicySetId: this.#id,
      entities: [principal, target, actionOf(action), ...parentsOf(target, resource)],
    })
    if (answer.type === 'failure')
      throw new Error(`invariant: Cedar cannot decide: ${messagesOf(answer.errors)}`)
    return this.#decisionOf(answer.response)
  }

  /** Frees what Cedar keeps of it. */
  close(): void {
    this.#cedar.preparsePolicySet(this.#id, { staticPolicies: {} })
  }

  /** A policy that forbids and fails would be passed over: then nobody knows, and the answer is no. */
  #decisionOf({ decision, diagnostics }: Response): Decision {
    const failed = diagnostics.errors.filter(({ policyId }) => this.#forbids.has(policyId))
    const errors = diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`)
    if (failed.length > 0)
      return { isAllowed: false, policies: failed.map(({ policyId }) => policyId).sort(), errors }
    return { isAllowed: decision === 'allow', policies: [...diagnostics.reason].sort(), errors }
  }
}

function checkAgainstSchema(cedar: Cedar, policies: ReadonlyMap<string, PolicyText>): void {
  const staticPolicies = Object.fromEntries([...policies].map(([id, { text }]) => [id, text]))
  const checked = cedar.validate({ schema: cedarSchema(), policies: { staticPolicies } })
  if (checked.type === 'failure') throw new PolicyInvalidError(messagesOf(checked.errors))
  const [...errors] = new Set(
    checked.validationErrors.map(({ policyId, error }) => messageOf(error, policies.get(policyId))),
  )
  if (errors.length > 0) throw new PolicyInvalidError(errors.slice(0, 5).join('; '))
}

function jsonOf(cedar: Cedar, policy: string): PolicyJson {
  const answer = cedar.policyToJson(policy)
  if (answer.type === 'failure') throw new PolicyInvalidError(messagesOf(answer.errors))
  return answer.json
}

interface CedarTrouble {
  readonly message: string
  readonly help: string | null
  readonly sourceLocations?: readonly { readonly start: number }[] | null
}

type Written = Pick<PolicyText, 'text' | 'line'>

/** @param where what they are about, with the line that it begins in */
function messagesOf(errors: readonly CedarTrouble[], where?: Written): string {
  return errors.map((error) => messageOf(error, where)).join('; ')
}

function messageOf({ message, help, sourceLocations }: CedarTrouble, where?: Written): string {
  const [place] = sourceLocations ?? []
  const said = help === null ? message : `${message} (${help})`
  if (place === undefined || where?.line === undefined) return said
  // Cedar counts bytes of UTF-8.
  const before = Buffer.from(where.text).subarray(0, place.start).toString()
  return `line ${where.line + newlinesIn(before)}: ${said}`
}

function newlinesIn(text: string): number {
  return text.split('\n').length - 1
}

type Uid = TypeAndId

function uidOf(type: string, id: string): Uid {
  return { type: `${CEDAR_NAMESPACE}::${type}`, id }
}

/** Ids of the parts of a namespace: no name can look like two. */
export function resourceId(namespace: string | undefined, id: string | undefined): string {
  return [namespace, id].flatMap((part) => (part === undefined ? [] : [encodeURIComponent(part)])).join('/')
}

interface Entity extends EntityJson {
  readonly uid: Uid
}

function principalOf({ id, kind, user, groups }: Caller, roles: readonly Role[]): Entity {
  return {
    uid: uidOf(kind === 'api-key' ? 'Key' : 'User', id),
    attrs: { kind, groups: [...groups], ...(user === undefined ? {} : { user }) },
    parents: [...roles.map((role) => uidOf('Role', role)), ...groups.map((group) => uidOf('Group', group))],
  }
}

/** With the group that policies may name instead. */
function actionOf(action: Action): EntityJson {
  return {
    uid: uidOf('Action', action),
    attrs: {},
    parents: isReading(action) ? [uidOf('Action', 'Read')] : [],
  }
}

function resourceOf(resource: ResourceFacts): Entity {
  const { type, namespace, id, facts = {}, attributes } = resource
  const known = Object.entries(facts).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, typeof value === 'string' ? value : [...value]] as const],
  )
  const isNamespace = type === 'Namespace'
  return {
    uid: uidOf(type, isNamespace ? (namespace ?? '') : resourceId(namespace, id)),
    attrs: {
      ...(namespace === undefined ? {} : { [isNamespace ? 'name' : 'namespace']: namespace }),
      ...Object.fromEntries(known),
    },
    parents: [...directParentsOf(resource)],
    ...(attributes === undefined ? {} : { tags: tagsOf(attributes) }),
  }
}

function* directParentsOf({ type, namespace, facts = {} }: ResourceFacts): Iterable<Uid> {
  if (namespace === undefined || type === 'Namespace') return
  yield uidOf('Namespace', namespace)
  const { workflow, queue } = facts
  if (typeof workflow === 'string') yield uidOf('Workflow', resourceId(namespace, workflow))
  if (typeof queue === 'string' && type === 'Task') yield uidOf('Queue', resourceId(namespace, queue))
}

/** What the parents are inside of. */
function parentsOf({ parents }: Entity, { namespace }: ResourceFacts): readonly EntityJson[] {
  if (namespace === undefined) return []
  const inside = [uidOf('Namespace', namespace)]
  return (parents as readonly Uid[])
    .filter(({ type }) => type !== `${CEDAR_NAMESPACE}::Namespace`)
    .map((uid) => ({ uid, attrs: {}, parents: inside }))
}

function tagsOf(attributes: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]])),
  )
}

function contextOf({ address }: Caller, nowMs: number): Record<string, never> {
  const time = { __extn: { fn: 'datetime', arg: new Date(nowMs).toISOString() } }
  // Of a connection that has gone by now there is none.
  const from =
    address === undefined || isIP(address) === 0 ? {} : { address: { __extn: { fn: 'ip', arg: address } } }
  return { time, ...from } as unknown as Record<string, never>
}
