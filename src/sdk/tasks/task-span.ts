/** The span of an attempt of a task. */
import type { Span, Tracing } from '../../platform/tracing.ts'
import { isRunId } from '../../protocol/ids.ts'
import type { TaskDispatch } from '../../protocol/task-worker-port.ts'

export function taskSpan(tracing: Tracing, dispatch: TaskDispatch<unknown>): Span {
  const { name, id, attempt, queue, trace: parent } = dispatch
  // What asked for it is in none.
  if (parent === undefined) return tracing.untraced
  return tracing.start(`task ${name}`, {
    kind: 'consumer',
    parent,
    attributes: {
      ...placeAttributes(dispatch),
      'perdure.task.name': name,
      'perdure.task.id': id,
      'perdure.attempt': attempt,
      ...(queue === undefined ? {} : { 'perdure.task.queue': queue }),
    },
  })
}

/** Its idempotency key says where it belongs: `NAMESPACE/task/ID`, or that of the operation of an execution. */
function placeAttributes({ id, idempotencyKey }: TaskDispatch<unknown>): {
  readonly [name: `perdure.${string}`]: string
} {
  const own = `/task/${id}`
  if (idempotencyKey.endsWith(own)) return { 'perdure.namespace': idempotencyKey.slice(0, -own.length) }
  const [namespace = '', workflowId = '', runId = ''] = idempotencyKey.split('/').map(decodeURIComponent)
  if (!isRunId(runId)) return {}
  return { 'perdure.namespace': namespace, 'perdure.workflow.id': workflowId, 'perdure.run.id': runId }
}
