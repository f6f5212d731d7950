/**
 * The client's port over the REST API: what an embedded engine answers, with `fetch` alone.
 *
 * Payloads go as they are (`Perdure-Payloads: envelope`). Whoever waits asks again and again, each time for a while.
 */
import type {
  ClientPort,
  ExecutionDescription,
  ExecutionSummary,
  ExecutionTarget,
  ListPage,
  ListQuery,
  Outcome,
  StartReply,
  StartRequest,
} from '../../protocol/client-port.ts'
import type { SequencedEvent } from '../../protocol/event.ts'
import type { ExecutionExplanation } from '../../protocol/execution-explanation.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { WaitOptions } from '../../protocol/task-port.ts'
import type { HttpAnswer, HttpCalls, HttpRequest } from './http-calls.ts'
import { httpNodes, httpWorkers } from './http-cluster-ports.ts'
import { httpPeople } from './http-people-port.ts'
import { httpQueues } from './http-queue-port.ts'
import { newRequestId } from './http-request-id.ts'
import { httpSchedules } from './http-schedule-port.ts'
import { httpTasks } from './http-task-port.ts'
import { LONG_POLL, untilEnded } from './long-poll.ts'
import { pageLimit } from './page-limit.ts'

type Flat<T extends ExecutionSummary> = Omit<T, 'key'> & { readonly namespace: string; readonly id: string }
type Call = Omit<HttpRequest, 'path' | 'query'> & {
  readonly query?: NonNullable<HttpRequest['query']>
}

export class HttpPort implements ClientPort {
  readonly tasks: ClientPort['tasks']
  readonly schedules: ClientPort['schedules']
  readonly queues: ClientPort['queues']
  readonly people: ClientPort['people']
  readonly workers: ClientPort['workers']
  readonly nodes: ClientPort['nodes']
  readonly newRequestId = newRequestId
  readonly #calls: HttpCalls

  constructor(calls: HttpCalls) {
    this.#calls = calls
    this.tasks = httpTasks(calls)
    this.schedules = httpSchedules(calls)
    this.queues = httpQueues(calls)
    this.people = httpPeople(calls)
    this.workers = httpWorkers(calls)
    this.nodes = httpNodes(calls)
  }

  async start(request: StartRequest): Promise<StartReply> {
    const { key, workflow, version, input, onConflict, delayMs, timeoutMs, attributes, signal } = request
    const { namespace, workflowId: id } = key
    const asked = { workflow, version, input, onConflict, delayMs, timeoutMs, attributes }
    const how = { method: 'POST', query: { namespace } } as const
    const { body } = await (signal === undefined
      ? this.#calls.ask<StartReply>({
          ...how,
          path: ['executions'],
          body: { id, ...asked },
          headers: { 'idempotency-key': newRequestId() },
          isRepeatable: true,
        })
      : // What makes a repeat harmless is the id of the signal, which may have characters that no header has.
        this.#calls.ask<StartReply>({
          ...how,
          path: ['executions', id, 'signal-with-start'],
          body: { ...asked, signal },
          isRepeatable: onConflict === 'use-existing' && signal.requestId !== undefined,
        }))
    return { runId: body.runId, started: body.started }
  }

  async signal(target: ExecutionTarget, name: string, payload: Payload, requestId?: string): Promise<void> {
    await this.#on(target, ['signals', name], {
      method: 'POST',
      body: { payload, requestId },
      isRepeatable: requestId !== undefined,
    })
  }

  async query(target: ExecutionTarget, name: string, payload: Payload): Promise<Payload> {
    const { body } = await this.#on<{ readonly result: Payload }>(target, ['queries', name], {
      method: 'POST',
      body: { payload },
      isRepeatable: true,
    })
    return body.result
  }

  async update(target: ExecutionTarget, name: string, payload: Payload, updateId: string): Promise<Payload> {
    const { body } = await this.#on<{ readonly result: Payload }>(target, ['updates', name], {
      method: 'POST',
      body: { payload, updateId },
      isRepeatable: true,
      // Its handler may take its time.
      answerMs: Number.POSITIVE_INFINITY,
    })
    return body.result
  }

  outcome(target: ExecutionTarget, { signal }: WaitOptions = {}): Promise<Outcome> {
    return untilEnded(() =>
      this.#on<Outcome>(target, ['result'], { ...LONG_POLL, signal, method: 'GET', isRepeatable: true }),
    )
  }

  async cancel(target: ExecutionTarget, reason: string): Promise<void> {
    await this.#on(target, ['cancel'], { method: 'POST', body: { reason }, isRepeatable: false })
  }

  async terminate(target: ExecutionTarget, reason: string): Promise<void> {
    await this.#on(target, ['terminate'], { method: 'POST', body: { reason }, isRepeatable: false })
  }

  async retry(target: ExecutionTarget): Promise<void> {
    await this.#on(target, ['retry'], { method: 'POST', isRepeatable: false })
  }

  async describe(target: ExecutionTarget): Promise<ExecutionDescription> {
    const how = { method: 'GET', isRepeatable: true } as const
    const { body } = await this.#on<Flat<ExecutionDescription>>(target, [], how)
    const { namespace, id, ...rest } = body
    return { key: { namespace, workflowId: id }, ...rest }
  }

  async explain(target: ExecutionTarget): Promise<ExecutionExplanation> {
    const how = { method: 'GET', isRepeatable: true } as const
    return (await this.#on<ExecutionExplanation>(target, ['explain'], how)).body
  }

  async history(
    target: ExecutionTarget,
    afterSeq: number,
    options: { readonly limit: number; readonly wait: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly SequencedEvent[]> {
    const { wait, signal } = options
    const query = { afterSeq, limit: pageLimit(options.limit) }
    const how = { method: 'GET', isRepeatable: true } as const
    if (!wait)
      return (await this.#on<{ events: SequencedEvent[] }>(target, ['history'], { ...how, query })).body
        .events
    try {
      // All of the waiting is for one run, as it would be at one go.
      const runId = target.runId ?? (await this.describe(target)).runId
      const { events } = await untilEnded(() =>
        this.#on<{ events: SequencedEvent[] }>({ ...target, runId }, ['history'], {
          ...how,
          ...LONG_POLL,
          query: { ...query, ...LONG_POLL.query },
          signal,
        }),
      )
      return events
    } catch (error) {
      // Whoever has stopped to wait gets what there is.
      if (signal?.aborted === true) return []
      throw error
    }
  }

  async list({ namespace, status, attributes, limit, ...rest }: ListQuery): Promise<ListPage> {
    const { body } = await this.#calls.ask<{
      readonly executions: readonly Flat<ExecutionSummary>[]
      readonly cursor?: string
    }>({
      method: 'GET',
      path: ['executions'],
      query: {
        namespace,
        status: status?.join(','),
        attributes: attributes === undefined ? undefined : JSON.stringify(attributes),
        limit: pageLimit(limit),
        ...rest,
      },
      isRepeatable: true,
    })
    const executions = body.executions.map(({ namespace: within, id, ...each }) => ({
      key: { namespace: within, workflowId: id },
      ...each,
    }))
    return { executions, ...(body.cursor === undefined ? {} : { cursor: body.cursor }) }
  }

  async delete(target: ExecutionTarget): Promise<void> {
    await this.#on(target, [], { method: 'DELETE', isRepeatable: false })
  }

  #on<T>({ key, runId }: ExecutionTarget, path: readonly string[], call: Call): Promise<HttpAnswer<T>> {
    return this.#calls.ask<T>({
      ...call,
      path: ['executions', key.workflowId, ...path],
      query: { namespace: key.namespace, runId, ...call.query },
    })
  }
}
