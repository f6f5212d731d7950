/**
 * The port of a client that makes spans of its calls, as children of the span that is active where it is called. What it starts and
 * enqueues carries the context of its span, so that what comes of it belongs to the same trace. Other calls go through as they are.
 */
import {
  type Span,
  type SpanAttributes,
  type SpanStart,
  type Tracing,
  withSpan,
} from '../../platform/tracing.ts'
import type { ClientPort, ExecutionTarget } from '../../protocol/client-port.ts'
import type { WorkflowKey } from '../../protocol/ids.ts'
import type { TaskPort } from '../../protocol/task-port.ts'
import { traceField } from '../../protocol/trace-context.ts'

/** @param tracing undefined: the port as it is */
export function tracedPort(port: ClientPort, tracing: Tracing | undefined): ClientPort {
  if (tracing === undefined) return port
  const span = (name: string, kind: SpanStart['kind'], attributes: SpanAttributes): Span =>
    tracing.start(name, { kind, parent: 'active', attributes })
  const call = <T>(name: string, { key, runId }: ExecutionTarget, run: () => Promise<T>): Promise<T> =>
    withSpan(span(name, 'client', keyAttributes(key, runId)), run)
  return {
    ...delegated(port),
    tasks: tracedTasks(port.tasks, span),
    start: (request) => {
      const { key, workflow } = request
      const attributes = { ...keyAttributes(key), 'perdure.workflow.name': workflow }
      const started = span(`start ${workflow}`, 'producer', attributes)
      return withSpan(started, () => port.start({ ...request, ...traceField(started.context) }))
    },
    signal: (target, name, ...rest) =>
      call(`signal ${name}`, target, () => port.signal(target, name, ...rest)),
    query: (target, name, payload) => call(`query ${name}`, target, () => port.query(target, name, payload)),
    update: (target, name, ...rest) =>
      call(`update ${name}`, target, () => port.update(target, name, ...rest)),
  }
}

function keyAttributes({ namespace, workflowId }: WorkflowKey, runId?: string): SpanAttributes {
  const key = { 'perdure.namespace': namespace, 'perdure.workflow.id': workflowId }
  return runId === undefined ? key : { ...key, 'perdure.run.id': runId }
}

type SpanOf = (name: string, kind: SpanStart['kind'], attributes: SpanAttributes) => Span

function tracedTasks(tasks: TaskPort, span: SpanOf): TaskPort {
  return {
    // One for all of a call.
    enqueue: (requests) => {
      const [first] = requests
      if (first === undefined) return tasks.enqueue(requests)
      const enqueued = span(`enqueue ${first.name}`, 'producer', {
        'perdure.namespace': first.namespace,
        'perdure.task.name': first.name,
        'perdure.task.queue': first.queue,
        'perdure.task.count': requests.length,
      })
      const trace = traceField(enqueued.context)
      return withSpan(enqueued, () => tasks.enqueue(requests.map((request) => ({ ...request, ...trace }))))
    },
    outcome: (...given) => tasks.outcome(...given),
    describe: (target) => tasks.describe(target),
    explain: (target) => tasks.explain(target),
    list: (query) => tasks.list(query),
    cancel: (target, reason) => tasks.cancel(target, reason),
    retry: (target) => tasks.retry(target),
    retryMany: (query) => tasks.retryMany(query),
    reprioritise: (target, priority) => tasks.reprioritise(target, priority),
    delete: (target) => tasks.delete(target),
    explainQueue: (queue) => tasks.explainQueue(queue),
  }
}

function delegated(port: ClientPort): Omit<ClientPort, 'tasks' | 'start' | 'signal' | 'query' | 'update'> {
  return {
    schedules: port.schedules,
    queues: port.queues,
    people: port.people,
    workers: port.workers,
    nodes: port.nodes,
    outcome: (...given) => port.outcome(...given),
    cancel: (target, reason) => port.cancel(target, reason),
    terminate: (target, reason) => port.terminate(target, reason),
    retry: (target) => port.retry(target),
    describe: (target) => port.describe(target),
    explain: (target) => port.explain(target),
    history: (...given) => port.history(...given),
    list: (query) => port.list(query),
    delete: (target) => port.delete(target),
    newRequestId: () => port.newRequestId(),
  }
}
