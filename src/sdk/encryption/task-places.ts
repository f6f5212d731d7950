/** Where the payloads of a task belong: to the execution that has asked for it, else to itself. */
import type { PayloadPlace } from '../../protocol/encrypted-payload.ts'
import { isRunId } from '../../protocol/ids.ts'
import type { TaskDispatch } from '../../protocol/task-worker-port.ts'
import type { FailurePlace } from './payload-codec.ts'

export interface TaskPlaces {
  readonly namespace: string
  readonly input: PayloadPlace
  readonly result: PayloadPlace
  readonly checkpoint: PayloadPlace
  readonly failure: FailurePlace
}

/** By its idempotency key, which a worker gets of each task: `NAMESPACE/task/ID`, or that of the operation of an execution. */
export function placesOfDispatch({
  id,
  name,
  idempotencyKey,
}: Pick<TaskDispatch<unknown>, 'id' | 'name' | 'idempotencyKey'>): TaskPlaces {
  const own = `/task/${id}`
  if (idempotencyKey.endsWith(own))
    return placesOfOwnTask({ namespace: idempotencyKey.slice(0, -own.length), id, name })
  const [namespace = '', workflowId = '', runId = ''] = idempotencyKey.split('/').map(decodeURIComponent)
  if (!isRunId(runId)) throw new Error(`invariant: ${idempotencyKey} is no key of an operation`)
  return placesOfExecutionTask(namespace, workflowId)
}

export function placesOfExecutionTask(namespace: string, workflowId: string): TaskPlaces {
  const at = { namespace, owner: workflowId }
  return {
    namespace,
    input: { ...at, purpose: 'task-input' },
    result: { ...at, purpose: 'task-result' },
    checkpoint: { ...at, purpose: 'task-checkpoint' },
    failure: { ...at, purpose: 'failure' },
  }
}

export function placesOfOwnTask({
  namespace,
  id,
  name,
}: {
  readonly namespace: string
  readonly id: string
  /** Absent: whoever asks does not read its input. */
  readonly name?: string
}): TaskPlaces {
  const at = { namespace, owner: id }
  return {
    namespace,
    input: {
      ...at,
      purpose: 'own-task-input',
      or: { purpose: 'debounced-input', isOwner: (declared) => declared === name },
    },
    result: { ...at, purpose: 'own-task-result' },
    checkpoint: { ...at, purpose: 'own-task-checkpoint' },
    failure: { ...at, purpose: 'own-task-failure' },
  }
}
