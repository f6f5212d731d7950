/**
 * Tells webhooks of what becomes of executions: for each that wants to know, a task in the queue of webhooks, in the same commit.
 *
 * 1. What is told of is committed, and what is committed is told of: the task is an outbox message of the execution's batch.
 * 2. Webhooks of a namespace are told of executions of that namespace alone.
 */

import type { Engine } from '../../engine/engine.ts'
import { enqueueTold } from '../../engine/engine-tasks.ts'
import type { NewsKind } from '../../engine/execution-news.ts'
import type { LiveExecution } from '../../engine/live-execution.ts'
import type { Json } from '../../protocol/json.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { WEBHOOK_QUEUE } from '../own-queues.ts'
import type { RegistryReads } from '../registry-reads.ts'
import { isWanted, type Webhook, type WebhookEvent, webhookEventOf } from './webhook.ts'
import { WEBHOOK_KIND, WEBHOOK_RETRY, WEBHOOK_TASK } from './webhook-task.ts'

export class WebhookNews {
  readonly #engine: Engine
  readonly #registry: RegistryReads

  constructor(engine: Engine, registry: RegistryReads) {
    this.#engine = engine
    this.#registry = registry
  }

  start(): void {
    this.#engine.onNews = (execution, kind) => this.#tell(execution, kind)
  }

  #tell(execution: LiveExecution, kind: NewsKind): void {
    const { key, status, workflow } = execution.state
    const webhooks = this.#registry.list(WEBHOOK_KIND, key.namespace)
    if (webhooks.length === 0) return
    // Going on as new is no end.
    const event = kind === 'started' ? 'execution.started' : webhookEventOf(status)
    if (event === undefined) return
    for (const { id, body } of webhooks) {
      // What is in the registry was checked when it was put there.
      if (!isWanted(body as unknown as Webhook, event, workflow)) continue
      const input = encodePayload({ namespace: key.namespace, webhook: id, event: eventOf(execution, event) })
      const options = { key: id, retry: WEBHOOK_RETRY }
      enqueueTold(this.#engine, execution, { queue: WEBHOOK_QUEUE, name: WEBHOOK_TASK, input, options })
    }
  }
}

/** A CloudEvent. It says what has happened, not what was in it: inputs and results stay here, behind the API. */
function eventOf({ state }: LiveExecution, event: WebhookEvent): Json {
  const { key, runId, seq, workflow, version, status, startedAt, closedAt, attributes, terminal } = state
  const { namespace, workflowId } = key
  const failure = terminal !== undefined && 'failure' in terminal ? terminal.failure : undefined
  return {
    specversion: '1.0',
    // One execution may fail, be retried, and end again.
    id: `${runId}:${event === 'execution.started' ? 1 : seq}`,
    source: `/namespaces/${encodeURIComponent(namespace)}/executions/${encodeURIComponent(workflowId)}`,
    type: `perdure.${event}`,
    subject: workflowId,
    time: new Date(closedAt ?? startedAt).toISOString(),
    datacontenttype: 'application/json',
    data: {
      namespace,
      workflowId,
      runId,
      workflow,
      version,
      status: event === 'execution.started' ? 'running' : status,
      startedAt,
      ...(closedAt === null ? {} : { closedAt }),
      attributes: { ...attributes },
      ...(failure === undefined ? {} : { failure: { name: failure.name, message: failure.message } }),
    },
  }
}
