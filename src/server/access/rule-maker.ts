/**
 * Who has made a rule that acts by itself. What the rule does is decided each time that it acts, as a call of its maker: by what its
 * maker may do by then, and about the very execution that it is about.
 */
import type { Caller } from '../../protocol/caller.ts'
import type { ClientPort } from '../../protocol/client-port.ts'

/** As it was when it made the rule. Of an API key only the id counts: the rest is looked up. */
export interface RuleMaker extends Pick<Caller, 'id' | 'kind' | 'user' | 'groups' | 'roles' | 'namespace'> {
  readonly address?: string
  /** It has shown the key of the machine. */
  readonly isMaster?: boolean
}

/** What rules do to executions. */
export type ActingPort = Pick<ClientPort, 'start' | 'signal'>

export interface ActingRule {
  /** Absent: it was made by a version that did not keep it. */
  readonly maker: RuleMaker | undefined
  /** Where it acts. */
  readonly namespace: string
  /** For people, and for the audit trail: `event rule orders`. */
  readonly name: string
}

export function ruleMakerOf(
  { id, kind, user, groups, roles, namespace, address }: Caller,
  isMaster = false,
): RuleMaker {
  return {
    id,
    kind,
    groups,
    ...(user === undefined ? {} : { user }),
    ...(roles === undefined ? {} : { roles }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(address === undefined ? {} : { address }),
    ...(isMaster ? { isMaster } : {}),
  }
}
