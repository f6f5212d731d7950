/** Why somebody may do something, or not. */

import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Attributes } from '../../protocol/event.ts'
import { ACTIONS, isAction, resourceTypeOf } from './actions.ts'
import { API_KEY_KIND, apiKeyRecordOf } from './api-key-records.ts'
import type { ClosedAccess } from './closed-access.ts'
import type { ResourceFacts } from './resource.ts'
import * as resources from './resources.ts'
import { isPrincipal } from './role-bindings.ts'

export interface AccessQuestion {
  /** `key:ID`, `token:ISSUER#SUBJECT`, `certificate:NAME`. */
  readonly principal: string
  /** What its token would say; those of a key are known. */
  readonly groups?: readonly string[]
  readonly roles?: readonly string[]
  readonly user?: string
  /** Where it calls from. Default: nowhere. */
  readonly address?: string
  /** Such as `TerminateExecution`. */
  readonly action: string
  readonly namespace?: string
  /** Of the execution, task, queue, …; what policies look at beside is given here too. */
  readonly id?: string
  readonly facts?: Readonly<Record<string, string>>
  readonly attributes?: Attributes
}

export interface AccessAnswer {
  readonly isAllowed: boolean
  /** Roles that count there. */
  readonly roles: readonly string[]
  /** Those that decided; none: nothing permits it. */
  readonly policies: readonly { readonly id: string; readonly text: string }[]
  /** Policies that could not be applied. */
  readonly errors: readonly string[]
  /** For people. */
  readonly sentence: string
}

/**
 * The caller may ask about itself; about others with `ExplainAccess`.
 *
 * @throws PerdureError `FORBIDDEN`, `ARGUMENT_INVALID`
 * @internal
 */
export async function explainAccess(
  { access, registry }: { readonly access: ClosedAccess; readonly registry: Registry },
  caller: Caller,
  question: AccessQuestion,
): Promise<AccessAnswer> {
  const { principal, action } = question
  if (!isAction(action))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `there is no action ${action}; there are ${Object.keys(ACTIONS).join(', ')}`,
    )
  if (principal !== caller.id) await access.assertMay(caller, 'ExplainAccess', { type: 'Policy', id: '' })
  const asked = principal === caller.id ? caller : callerOf(registry, question)
  const resource = resourceOf(resourceTypeOf(action), question)
  const { isAllowed, policies, errors } = access.authorizer.decide(asked, action, resource)
  const { roles } = access.authorizer.requestOf(asked, action, resource)
  const shown = policies.map((id) => ({ id, text: access.policies.current.textOf(id) ?? '' }))
  const where = whereOf(resource)
  const sentence = sentenceOf({ principal, what: `${action}${where}` }, { isAllowed, policies, roles })
  return { isAllowed, roles, policies: shown, errors, sentence }
}

/** Of what is in namespaces, without one in the question: only roles that are given everywhere count. */
function whereOf({ namespace }: ResourceFacts): string {
  if (namespace === undefined) return ''
  return namespace === '' ? ' in no namespace' : ` in namespace ${namespace}`
}

function sentenceOf(
  { principal, what }: { readonly principal: string; readonly what: string },
  {
    isAllowed,
    policies,
    roles,
  }: Pick<AccessAnswer, 'isAllowed' | 'roles'> & { readonly policies: readonly string[] },
): string {
  const names = policies.join(', ')
  if (isAllowed) return `${principal} may ${what}: ${names} permits it.`
  const not = `${principal} may not ${what}`
  if (policies.length > 0) return `${not}: ${names} forbids it.`
  const has = roles.length === 0 ? 'it has no role there' : `it is ${roles.join(', ')} there`
  return `${not}: nothing permits it; ${has}.`
}

function callerOf(
  registry: Registry,
  { principal, groups = [], roles = [], user, address }: AccessQuestion,
): Caller {
  if (!isPrincipal(principal) || principal.startsWith('group:'))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${JSON.stringify(principal)} is none of key:ID, token:ISSUER#SUBJECT, certificate:NAME`,
    )
  const from = address === undefined ? {} : { address }
  if (!principal.startsWith('key:')) {
    const kind = principal.startsWith('token:') ? 'token' : 'certificate'
    return { id: principal, kind, groups, roles, ...from, ...(user === undefined ? {} : { user }) }
  }
  const id = principal.slice('key:'.length)
  const record = apiKeyRecordOf(registry.get(API_KEY_KIND, '', id))
  if (record === undefined) throw new PerdureError('RECORD_NOT_FOUND', `there is no API key ${id}`)
  const { namespace, user: known } = record
  return {
    id: principal,
    kind: 'api-key',
    groups: record.groups,
    roles: record.roles,
    ...from,
    ...(known === undefined ? {} : { user: known }),
    ...(namespace === undefined ? {} : { namespace }),
  }
}

function resourceOf(
  type: ResourceFacts['type'],
  { namespace, id = '', facts = {}, attributes }: AccessQuestion,
): ResourceFacts {
  const of = namespace ?? ''
  switch (type) {
    case 'Namespace':
      return resources.namespace(of)
    case 'Execution': {
      const execution = resources.execution(
        { namespace: of, workflowId: id },
        { attributes: attributes ?? {} },
      )
      return { ...execution, facts: { ...execution.facts, ...facts } }
    }
    case 'Queue':
      return resources.queue(of, id)
    case 'Workflow':
      return resources.workflow(of, id)
    case 'Task':
      return { ...resources.task({ namespace: of, id }), facts: { id, ...facts } }
    case 'Schedule':
      return { ...resources.schedule({ namespace: of, id }), facts: { id, ...facts } }
    case 'HumanTask': {
      const { users, groups, ...rest } = facts
      const listed = { users: [users ?? []].flat(), groups: [groups ?? []].flat() }
      return { type, namespace: of, id, facts: { id, ...rest, ...listed } }
    }
    case 'Node':
      return resources.node(id === '' ? undefined : id)
    default:
      return resources.administrative(type, namespace, id)
  }
}
