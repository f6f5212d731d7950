/**
 * What policies look at, so that no more is read, and a decision is kept exactly for as long as nothing that they look at has
 * changed.
 *
 * What is not understood counts as looking at everything: that costs time, and is never wrong.
 */
import type { Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { ACTIONS, type Action, isReading, type ResourceType } from './actions.ts'
import { CEDAR_NAMESPACE } from './cedar-schema.ts'
import { DETAILS } from './resource.ts'

export interface Needs {
  /** Attributes of the resource; `'*'`: also what it is as a whole. Its namespace does not count. */
  readonly resource: ReadonlySet<string>
  readonly time: boolean
  readonly address: boolean
}

/** Parents that say something beyond the namespace. */
const PARENT_DETAIL: Readonly<Record<string, string>> = { Workflow: 'workflow', Queue: 'queue' }
const ALWAYS_KNOWN = new Set(['namespace'])

interface Found {
  readonly resource: Set<string>
  time: boolean
  address: boolean
}

/** By action: of all policies that may decide it. */
export function needsOf(policies: readonly PolicyJson[]): ReadonlyMap<Action, Needs> {
  const byAction = new Map<Action, Found>()
  for (const action of Object.keys(ACTIONS) as Action[])
    byAction.set(action, { resource: new Set(), time: false, address: false })
  for (const policy of policies) {
    for (const [action, found] of byAction)
      if (concerns(policy, action) && mayBe(policy, ACTIONS[action].resource)) look(policy, found)
  }
  return byAction
}

/** What has to be read of a resource before the action is decided. */
export function needsDetails({ resource }: Needs, type: ResourceType): boolean {
  return DETAILS[type]?.some((name) => resource.has(name)) ?? false
}

function concerns({ action }: PolicyJson, name: Action): boolean {
  if (action.op === 'All') return true
  const listed = 'entities' in action ? action.entities : 'entity' in action ? [action.entity] : undefined
  if (listed === undefined) return true
  return listed.some((entity) => {
    const { id } = '__entity' in entity ? entity.__entity : entity
    return id === name || (id === 'Read' && isReading(name))
  })
}

function mayBe({ resource }: PolicyJson, type: ResourceType): boolean {
  if (resource.op === 'is') return resource.entity_type === `${CEDAR_NAMESPACE}::${type}`
  return true
}

function look(policy: PolicyJson, found: Found): void {
  const { resource, conditions } = policy
  if (resource.op === '==') found.resource.add('*')
  if (resource.op === 'in') lookAtParent('entity' in resource ? typeOf(resource.entity) : '', found)
  if (resource.op === 'is' && resource.in !== undefined)
    lookAtParent('entity' in resource.in ? typeOf(resource.in.entity) : '', found)
  for (const { body } of conditions) lookAt(body, found)
}

function lookAtParent(type: string, { resource }: Found): void {
  if (type === 'Namespace') return
  const detail = PARENT_DETAIL[type]
  for (const name of detail === undefined ? ['*'] : [detail, '*']) resource.add(name)
}

function typeOf(
  entity: { readonly __entity: { readonly type: string } } | { readonly type: string },
): string {
  const { type } = '__entity' in entity ? entity.__entity : entity
  return type.replace(`${CEDAR_NAMESPACE}::`, '')
}

/** Finds what stands on `resource` and `context`, wherever it is in the expression. */
function lookAt(expression: unknown, found: Found): void {
  if (typeof expression !== 'object' || expression === null) return
  if (Array.isArray(expression)) {
    for (const each of expression) lookAt(each, found)
    return
  }
  for (const [operator, operand] of Object.entries(expression as Record<string, unknown>)) {
    if (operator === 'Value') continue
    if (operator === 'Var') lookAtWhole(operand, found)
    else if (!lookAtPart(operator, operand, found)) lookAt(operand, found)
  }
}

/** A variable that stands alone: all of it counts. */
function lookAtWhole(variable: unknown, found: Found): void {
  if (variable === 'resource') for (const name of ['*', ...allDetails()]) found.resource.add(name)
  if (variable === 'context') Object.assign(found, { time: true, address: true })
}

/** Whether it was an attribute or a tag of a variable. */
function lookAtPart(operator: string, operand: unknown, found: Found): boolean {
  const { left, attr, right } = operand as {
    readonly left?: Expr
    readonly attr?: unknown
    readonly right?: Expr
  }
  const variable = left !== undefined && 'Var' in left ? left.Var : undefined
  if (variable !== 'resource' && variable !== 'context' && variable !== 'principal') return false
  if (operator === '.' || operator === 'has') {
    const [name] = [attr].flat()
    if (typeof name !== 'string') return false
    if (variable === 'context') Object.assign(found, name === 'time' ? { time: true } : { address: true })
    else if (variable === 'resource' && !ALWAYS_KNOWN.has(name)) found.resource.add(name)
    return true
  }
  if (operator === 'getTag' || operator === 'hasTag') {
    if (variable === 'resource') found.resource.add('tags')
    lookAt(right, found)
    return true
  }
  // Which type it has is known from the action; where it is inside is not.
  return operator === 'is' && !Object.hasOwn(operand as object, 'in')
}

function allDetails(): readonly string[] {
  return Object.values(DETAILS).flat()
}
