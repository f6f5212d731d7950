/** The typed client: what callers use, over the untyped `ClientPort` of an embedded or remote engine. */
import { checkedName } from '../protocol/checked-text.ts'
import type {
  ClientPort,
  ConflictPolicy,
  ExecutionDescription,
  ExecutionSummary,
  ExecutionTarget,
  StartRequest,
} from '../protocol/client-port.ts'
import { type Duration, durationMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import { type Attributes, type Event, isTerminal, type SequencedEvent } from '../protocol/event.ts'
import type { ExecutionExplanation } from '../protocol/execution-explanation.ts'
import type { ExecutionStatus } from '../protocol/execution-status.ts'
import { errorOf } from '../protocol/failure.ts'
import { isRunId, type RunId } from '../protocol/ids.ts'
import { LIMIT_WARNING_SHARE, type Limits } from '../protocol/limits.ts'
import type { NodesPort } from '../protocol/nodes-port.ts'
import { decodePayload, type Payload } from '../protocol/payload.ts'
import { utf8Length } from '../protocol/text-bytes.ts'
import type { WorkerDescription } from '../protocol/workers-port.ts'
import { checkedOptions, checkedReason, checkedRequestId, nameOf } from './checked-arguments.ts'
import { checkedAttributes } from './checked-attributes.ts'
import { checkedPayload, type PayloadWarner } from './checked-payload.ts'
import type { PayloadArgs } from './context.ts'
import type { InputOf, OutputOf, Query, Signal, Update, Workflow } from './definition.ts'
import { ExecutionFailedError } from './execution-failed-error.ts'
import { checkedWorkflow } from './known-workflow.ts'
import { type ListOptions, listQuery } from './list-options.ts'
import { PeopleClient } from './people/people-client.ts'
import { QueueClient } from './queues/queue-client.ts'
import { isRepeatable, repeated } from './repeated.ts'
import { ScheduleClient } from './schedules/schedule-client.ts'
import { validate } from './standard-schema.ts'
import { TaskClient } from './tasks/task-client.ts'

export interface StartOptions {
  /** Workflow id: unique in the namespace. Default: a new unique one. */
  readonly id?: string
  /**
   * If an execution with this id exists. `use-existing` (default): its handle, whether it is open or closed; so a repeated
   * start is harmless. `fail`: `EXECUTION_EXISTS`. `terminate-existing`: the old one is terminated if it is open, a new run starts.
   */
  readonly onConflict?: ConflictPolicy
  /** Workflow code runs after this time. Default: at once. */
  readonly delay?: Duration
  /** The execution ends with status `timed-out` after this time. Default: none. */
  readonly executionTimeout?: Duration
  readonly attributes?: Attributes
}

export interface SignalOptions {
  /** Signals with the same request id are recorded once per run. Default: a new one. */
  readonly requestId?: string
}

export type InputArgs<In, Options> = undefined extends In
  ? [input?: In, options?: Options]
  : [input: In, options?: Options]

export interface ExecutionInfo extends Omit<ExecutionSummary, 'key' | 'startedAt' | 'closedAt'> {
  readonly id: string
  readonly status: ExecutionStatus
  readonly startedAt: Date
  readonly closedAt: Date | undefined
}

interface EncodingSettings extends PayloadWarner {
  readonly limits: Limits
}

export interface ClientSettings extends EncodingSettings {
  readonly namespace: string
  /** Whether the engine has code for the workflow; a remote client cannot know and says yes. */
  readonly knows: (workflow: string, version: string) => boolean
}

const HISTORY_PAGE = 1000
const CONFLICT_POLICIES: readonly ConflictPolicy[] = ['use-existing', 'fail', 'terminate-existing']

export class Client extends TaskClient {
  readonly #port: ClientPort
  readonly #settings: ClientSettings
  /** Executions that start at given times, again and again. */
  readonly schedules: ScheduleClient
  /** Settings of task queues, which can be changed while the engine runs. */
  readonly queues: QueueClient
  /** Human tasks: inboxes, and what people do. */
  readonly people: PeopleClient
  /** Of the cluster: nodes, and who owns which shard. An engine that is alone is one node. */
  readonly nodes: NodesPort

  constructor(port: ClientPort, settings: ClientSettings) {
    super(port.tasks, settings)
    this.#port = port
    this.#settings = settings
    this.schedules = new ScheduleClient(port, settings)
    this.queues = new QueueClient(port.queues, settings)
    this.people = new PeopleClient(port.people, settings, () => port.newRequestId())
    this.nodes = nodesOf(port.nodes, settings)
  }

  /** Workers that are connected now, and the engine's own process, in the order of their ids. */
  async workers(): Promise<readonly WorkerDescription[]> {
    return this.#port.workers.list(this.#settings.namespace)
  }

  /** Starts an execution; resolves when the start is durable. Idempotent by `id`. */
  async start<W extends Workflow>(
    workflow: W,
    ...[input, options]: InputArgs<InputOf<W>, StartOptions>
  ): Promise<Execution<W>> {
    const made = this.#startRequest(workflow, input, checkedOptions(options, 'start()'))
    const request = made instanceof Promise ? await made : made
    for (let attempt = 1; ; attempt++) {
      try {
        const { runId } = await this.#port.start(request)
        return new Execution<W>(this.#port, { key: request.key, runId }, this.#settings)
      } catch (error) {
        if (!isRepeatable(error, attempt)) throw error
      }
    }
  }

  /** Starts the execution unless an open one exists, and sends it a signal, in one commit. */
  async signalWithStart<W extends Workflow, T>(
    workflow: W,
    input: InputOf<W>,
    signal: Signal<T>,
    payload: T,
    options: StartOptions & SignalOptions & { readonly id: string },
  ): Promise<Execution<W>> {
    const checked = checkedOptions(options, 'signalWithStart()')
    if (checked.id === undefined)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'signalWithStart() has no id: it could not find the execution',
      )
    const name = nameOf(signal, 'signal')
    const requestId = checkedRequestId(checked.requestId, this.#settings.limits) ?? this.#port.newRequestId()
    const request = await this.#startRequest(workflow, input, checked)
    const sent = { name, payload: encoded(payload, this.#settings), requestId }
    const { runId } = await repeated(() => this.#port.start({ ...request, signal: sent }))
    return new Execution<W>(this.#port, { key: request.key, runId }, this.#settings)
  }

  /** The handle of an existing execution: of its newest run, or of the run given. */
  execution<W extends Workflow>(
    _workflow: W,
    id: string,
    options: { readonly runId?: string } = {},
  ): Execution<W> {
    const key = {
      namespace: this.#settings.namespace,
      workflowId: checkedName(id, 'the id of an execution', this.#settings.limits.idBytes),
    }
    const { runId } = checkedOptions(options, 'execution()')
    if (runId === undefined) return new Execution<W>(this.#port, { key }, this.#settings)
    if (!isRunId(runId)) throw new PerdureError('ID_INVALID', `'${runId}' is not a run id`)
    return new Execution<W>(this.#port, { key, runId }, this.#settings)
  }

  /** Executions of the namespace, newest first. */
  async list(
    options: ListOptions = {},
  ): Promise<{ readonly executions: readonly ExecutionInfo[]; readonly cursor: string | undefined }> {
    const query = listQuery(checkedOptions(options, 'list()'), this.#settings.namespace)
    const { executions, cursor } = await this.#port.list(query)
    return { executions: executions.map(infoOf), cursor }
  }

  /** A promise only if the input has a schema, which may take its time. */
  #startRequest(
    workflow: Workflow,
    input: unknown,
    options: StartOptions,
  ): StartRequest | Promise<StartRequest> {
    const { name, inputSchema } = checkedWorkflow(workflow, this.#settings.knows, 'the first argument')
    if (inputSchema === undefined) return this.#requestOf(workflow, input, options)
    return validate(inputSchema, input, 'INPUT_INVALID', `the input of workflow ${name}`).then((accepted) =>
      this.#requestOf(workflow, accepted, options),
    )
  }

  #requestOf({ name, version }: Workflow, input: unknown, options: StartOptions): StartRequest {
    const { namespace, limits } = this.#settings
    const { id, onConflict = 'use-existing', delay, executionTimeout, attributes } = options
    if (!CONFLICT_POLICIES.includes(onConflict))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `onConflict is ${JSON.stringify(onConflict)}, not one of ${CONFLICT_POLICIES.join(', ')}`,
      )
    const workflowId =
      id === undefined ? this.#port.newRequestId() : checkedName(id, 'the id of an execution', limits.idBytes)
    this.#lookAtId(workflowId)
    const request: StartRequest = {
      key: { namespace, workflowId },
      workflow: name,
      version,
      input: encoded(input, this.#settings),
      onConflict,
    }
    if (delay === undefined && executionTimeout === undefined && attributes === undefined) return request
    return {
      ...request,
      ...(delay === undefined ? {} : { delayMs: durationMs(delay, 'delay') }),
      ...(executionTimeout === undefined
        ? {}
        : { timeoutMs: durationMs(executionTimeout, 'executionTimeout') }),
      ...(attributes === undefined ? {} : { attributes: checkedAttributes(attributes) }),
    }
  }

  #lookAtId(workflowId: string): void {
    const limit = this.#settings.limits.idBytes
    // A UTF-16 unit takes at most 3 bytes: most ids need no counting.
    if (workflowId.length * 3 <= limit * LIMIT_WARNING_SHARE) return
    const bytes = utf8Length(workflowId)
    if (bytes > limit * LIMIT_WARNING_SHARE)
      this.#settings.warn?.('the id of an execution is near its limit', { bytes, limit })
  }
}

/** The handle of one execution. It holds no state: any number of handles may exist, also in other processes. */
export class Execution<W extends Workflow = Workflow> {
  readonly id: string
  /** Present if the handle is bound to one run. */
  readonly runId: RunId | undefined
  readonly #port: ClientPort
  readonly #target: ExecutionTarget
  readonly #settings: EncodingSettings

  constructor(port: ClientPort, target: ExecutionTarget, settings: EncodingSettings) {
    this.#port = port
    this.#target = target
    this.#settings = settings
    this.id = target.key.workflowId
    this.runId = target.runId
  }

  /**
   * Waits for the result, also through continue-as-new. Throws `ExecutionFailedError` if the execution failed or was
   * cancelled, terminated or timed out; its `cause` is the error of the workflow.
   */
  async result(): Promise<OutputOf<W>> {
    const outcome = await this.#port.outcome(this.#target)
    // The one cast: what the workflow returned is what its type says.
    if (outcome.status === 'completed') return decodePayload(outcome.result) as OutputOf<W>
    throw new ExecutionFailedError(this.id, outcome.status, errorOf(outcome.failure))
  }

  /** Resolves when the signal is durable. */
  async signal<T>(
    signal: Signal<T>,
    ...[payload, options]: [...PayloadArgs<T>, options?: SignalOptions]
  ): Promise<void> {
    const name = nameOf(signal, 'signal')
    const given = checkedOptions(options as SignalOptions | undefined, 'signal()').requestId
    const requestId = checkedRequestId(given, this.#settings.limits) ?? this.#port.newRequestId()
    const sent = encoded(payload, this.#settings)
    await repeated(() => this.#port.signal(this.#target, name, sent, requestId))
  }

  async query<In, Out>(query: Query<In, Out>, ...[input]: PayloadArgs<In>): Promise<Out> {
    const name = nameOf(query, 'query')
    const sent = encoded(input, this.#settings)
    const answer = await repeated(() => this.#port.query(this.#target, name, sent))
    return decodePayload(answer) as Out
  }

  /** Resolves with the handler's result when that is durable. Repeat it with the same `updateId` and it runs once. */
  async update<In, Out>(
    update: Update<In, Out>,
    ...[input, options]: [...PayloadArgs<In>, options?: { readonly updateId?: string }]
  ): Promise<Out> {
    const name = nameOf(update, 'update')
    const given = checkedOptions(options as { readonly updateId?: string } | undefined, 'update()').updateId
    const updateId = checkedRequestId(given, this.#settings.limits) ?? this.#port.newRequestId()
    const sent = encoded(input, this.#settings)
    const answer = await repeated(() => this.#port.update(this.#target, name, sent, updateId))
    return decodePayload(answer) as Out
  }

  /** Asks the workflow to stop: its operations reject with `CANCELLED`, it may clean up. */
  async cancel(reason = 'cancelled by a client'): Promise<void> {
    const checked = checkedReason(reason)
    await repeated(() => this.#port.cancel(this.#target, checked))
  }

  /** Ends the execution at once; its code gets no say. */
  async terminate(reason = 'terminated by a client'): Promise<void> {
    const checked = checkedReason(reason)
    await repeated(() => this.#port.terminate(this.#target, checked))
  }

  /** Continues a failed or parked execution from where it stopped; recorded results are kept. */
  async retry(): Promise<void> {
    await repeated(() => this.#port.retry(this.#target))
  }

  async describe(): Promise<
    ExecutionInfo & Pick<ExecutionDescription, 'events' | 'pending'> & { readonly error: Error | undefined }
  > {
    const description = await repeated(() => this.#port.describe(this.#target))
    const { events, pending, failure } = description
    return {
      ...infoOf(description),
      events,
      pending,
      error: failure === undefined ? undefined : errorOf(failure),
    }
  }

  /** Why it waits, in a sentence and as data: for a signal, a step that is tried again, a task, a child, or its right code. */
  async explain(): Promise<ExecutionExplanation> {
    return repeated(() => this.#port.explain(this.#target))
  }

  /** All events so far. */
  async history(): Promise<readonly SequencedEvent[]> {
    const events: SequencedEvent[] = []
    for (;;) {
      const page = await this.#port.history(this.#target, events.at(-1)?.seq ?? 0, {
        limit: HISTORY_PAGE,
        wait: false,
      })
      events.push(...page)
      if (page.length === 0) return events
    }
  }

  /** Events as they become durable, from the first one (or after `afterSeq`) to the end of the run. */
  async *watch(
    options: { readonly afterSeq?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<SequencedEvent, void, undefined> {
    const { afterSeq: from = 0, signal } = checkedOptions(options, 'watch()')
    if (!Number.isSafeInteger(from) || from < 0)
      throw new PerdureError('ARGUMENT_INVALID', `watch({ afterSeq }) is ${from}, not a whole number`)
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw new PerdureError('ARGUMENT_INVALID', 'watch({ signal }) is not an AbortSignal')
    let afterSeq = from
    for (;;) {
      const page = await this.#port.history(this.#target, afterSeq, {
        limit: HISTORY_PAGE,
        wait: true,
        ...(signal === undefined ? {} : { signal }),
      })
      if (page.length === 0 || signal?.aborted === true) return
      for (const event of page) {
        yield event
        afterSeq = event.seq
      }
      if (isLast(page.at(-1)?.event)) return
    }
  }

  /** Deletes a closed execution with all its rows. */
  async delete(): Promise<void> {
    await repeated(() => this.#port.delete(this.#target))
  }
}

function isLast(event: Event | undefined): boolean {
  return event !== undefined && isTerminal(event)
}

function infoOf({
  key,
  runId,
  workflow,
  version,
  status,
  startedAt,
  closedAt,
  attributes,
}: ExecutionSummary): ExecutionInfo {
  return {
    id: key.workflowId,
    runId,
    workflow,
    version,
    status,
    startedAt: new Date(startedAt),
    closedAt: closedAt === undefined ? undefined : new Date(closedAt),
    attributes,
  }
}

function encoded(value: unknown, settings: EncodingSettings): Payload {
  return checkedPayload(value, settings.limits, settings)
}

/** Not the port itself: what a program passes is looked at. */
function nodesOf(port: NodesPort, { limits }: ClientSettings): NodesPort {
  return {
    list: () => port.list(),
    shards: () => port.shards(),
    drain: async (node) => port.drain(checkedName(node, 'the name of a node', limits.idBytes)),
  }
}
