/**
 * What a call is about, as policies see it.
 *
 * Some of it the call says itself; the rest (`DETAILS`) has to be read, and is only if a policy looks at it.
 */
import type { Attributes } from '../../protocol/event.ts'
import type { ResourceType } from './actions.ts'

export type Facts = Readonly<Record<string, string | readonly string[] | undefined>>

export interface ResourceFacts {
  readonly type: ResourceType
  /** Absent: it belongs to no namespace. */
  readonly namespace?: string | undefined
  /** Within its namespace; absent: not known, as of many at once. */
  readonly id?: string | undefined
  readonly facts?: Facts
  /** Of an execution: its search attributes. */
  readonly attributes?: Attributes | undefined
}

/** Attributes that a call does not bring along. `tags`: search attributes. */
export const DETAILS: Readonly<Partial<Record<ResourceType, readonly string[]>>> = {
  Execution: ['workflow', 'owner', 'tags'],
  Task: ['name', 'queue'],
  Schedule: ['workflow'],
  HumanTask: ['name', 'workflow', 'workflowId', 'requester', 'users', 'groups'],
}

/** The search attribute that says who has started an execution. The engine sets it; callers cannot. */
export const OWNER_ATTRIBUTE = 'perdure:owner'
