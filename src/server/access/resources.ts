/** Resources of calls, with what the call says of them. */
import type { Attributes } from '../../protocol/event.ts'
import type { WorkflowKey } from '../../protocol/ids.ts'
import type { HumanTaskSummary } from '../../protocol/people-port.ts'
import type { ScheduleSummary } from '../../protocol/schedule-port.ts'
import type { TaskDescription } from '../../protocol/task-port.ts'
import type { ResourceType } from './actions.ts'
import { type Facts, OWNER_ATTRIBUTE, type ResourceFacts } from './resource.ts'

interface Target {
  readonly namespace: string
  readonly id: string
}

interface ExecutionDetails {
  readonly workflow?: string | undefined
  readonly attributes?: Attributes | undefined
}

export function namespace(name: string): ResourceFacts {
  return { type: 'Namespace', namespace: name }
}

export function workflow(inNamespace: string, name: string): ResourceFacts {
  return { type: 'Workflow', namespace: inNamespace, id: name, facts: { name } }
}

export function execution(
  { namespace: of, workflowId }: WorkflowKey,
  details: ExecutionDetails = {},
): ResourceFacts {
  const { attributes } = details
  const owner = attributes?.[OWNER_ATTRIBUTE]
  return {
    type: 'Execution',
    namespace: of,
    id: workflowId,
    facts: { workflowId, workflow: details.workflow, ...(typeof owner === 'string' ? { owner } : {}) },
    attributes,
  }
}

export function queue(of: string, name: string): ResourceFacts {
  return { type: 'Queue', namespace: of, id: name, facts: { name } }
}

export function task(
  { namespace: of, id }: { readonly namespace: string; readonly id?: string | undefined },
  details: Partial<Pick<TaskDescription, 'name' | 'queue'>> = {},
): ResourceFacts {
  return { type: 'Task', namespace: of, id, facts: { id, name: details.name, queue: details.queue } }
}

export function schedule(
  { namespace: of, id }: Target,
  details: Pick<ExecutionDetails, 'workflow'> = {},
): ResourceFacts {
  return { type: 'Schedule', namespace: of, id, facts: { id, workflow: details.workflow } }
}

export function scheduleRow(of: string, { id, spec }: ScheduleSummary): ResourceFacts {
  return schedule({ namespace: of, id }, { workflow: spec.start.workflow })
}

export function humanTask({ namespace: of, id }: Target): ResourceFacts {
  return { type: 'HumanTask', namespace: of, id, facts: { id, users: [], groups: [] } }
}

/** Whoever may take a seat of it, has one, or manages it. */
export function humanTaskRow(
  of: string,
  row: HumanTaskSummary & {
    readonly managers?: { readonly users: readonly string[]; readonly groups: readonly string[] }
  },
): ResourceFacts {
  const { id, name, workflow: from, workflowId, requester, seats, managers } = row
  const users = [
    ...seats.flatMap(({ users: may, holder, by }) => [...may, holder ?? [], by ?? []].flat()),
    ...(managers?.users ?? []),
  ]
  const groups = [...seats.flatMap((seat) => seat.groups), ...(managers?.groups ?? [])]
  return {
    type: 'HumanTask',
    namespace: of,
    id,
    facts: { id, name, workflow: from, workflowId, requester, users: sorted(users), groups: sorted(groups) },
  }
}

export function node(name: string | undefined): ResourceFacts {
  return { type: 'Node', id: name ?? '', facts: { name } }
}

/** Of administration. */
export function administrative(type: ResourceType, of: string | undefined, id: string): ResourceFacts {
  return { type, namespace: of, id, facts: factsOf(type, id) }
}

function factsOf(type: ResourceType, id: string): Facts {
  if (type === 'Audit') return {}
  if (type === 'Node') return { name: id }
  return type === 'RoleBinding' ? { role: id } : { id }
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
