/**
 * What a request from a transaction asks for, as a call of a client. It says less than a client of this program does: defaults and
 * schemas come from the definition, where this engine has it.
 */
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort, StartRequest } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import { EMPTY_PAYLOAD, type Payload } from '../../protocol/payload.ts'
import {
  identifier,
  integer,
  object,
  optional,
  type Shape,
  scalar,
  shaped,
  table,
} from '../../protocol/shapes.ts'
import type { TaskRequest } from '../../protocol/task-port.ts'
import { checkedAttributes } from '../../sdk/checked-attributes.ts'
import { checkedPayload, type PayloadWarner } from '../../sdk/checked-payload.ts'
import type { Workflow } from '../../sdk/definition.ts'
import { retryPolicyOf } from '../../sdk/retry-options.ts'
import { type StandardSchema, validate } from '../../sdk/standard-schema.ts'
import type { Task } from '../../sdk/tasks/task.ts'
import { checkedPriority } from '../../sdk/tasks/task-options.ts'
import type { WorkRequest } from '../../store/contract/request-store.ts'

export interface RequestCallsOptions {
  readonly calls: ClientPort
  readonly limits: Limits
  readonly warn: PayloadWarner['warn'] & {}
  readonly knows: (workflow: string, version: string, namespace: string) => boolean
  readonly workflows: readonly Workflow[]
  readonly tasks: readonly Task[]
}

const durationMs = integer(0, 8.64e15)
const startOptions = object({
  version: identifier(),
  delayMs: optional(durationMs),
  timeoutMs: optional(durationMs),
  attributes: optional(table(scalar(4096), 64)),
})
const signalOptions = object({ requestId: identifier() })
const taskOptions = object({
  queue: optional(identifier()),
  priority: optional(integer()),
  key: optional(identifier()),
  delayMs: optional(durationMs),
  maxAttempts: optional(integer(1)),
  timeoutMs: optional(durationMs),
})

export class RequestCalls {
  readonly #options: RequestCallsOptions
  readonly #workflows: ReadonlyMap<string, Workflow>
  readonly #tasks: ReadonlyMap<string, Task>

  constructor(options: RequestCallsOptions) {
    this.#options = options
    this.#workflows = new Map(options.workflows.map((each) => [`${each.name}\0${each.version}`, each]))
    this.#tasks = new Map(options.tasks.map((each) => [each.name, each]))
  }

  async carryOut(request: WorkRequest): Promise<void> {
    switch (request.kind) {
      case 'start':
        await this.#start(request)
        break
      case 'signal':
        await this.#signal(request)
        break
      case 'task':
        await this.enqueueAll([request])
        break
    }
  }

  async enqueueAll(requests: readonly WorkRequest[]): Promise<void> {
    const tasks = await Promise.all(requests.map((request) => this.#taskOf(request)))
    await this.#options.calls.tasks.enqueue(tasks)
  }

  async #start(request: WorkRequest): Promise<void> {
    const { calls, knows } = this.#options
    const { namespace, name } = request
    const { version, attributes, ...times } = optionsOf(startOptions, request)
    if (!knows(name, version, namespace))
      throw new PerdureError(
        'WORKFLOW_UNKNOWN',
        `workflow ${name} version ${version} is not registered with this engine`,
      )
    const schema = this.#workflows.get(`${name}\0${version}`)?.inputSchema
    const start: StartRequest = {
      key: { namespace: this.#nameOf(namespace), workflowId: this.#nameOf(request.target) },
      workflow: name,
      version,
      input: await this.#payloadOf(request, schema),
      // A second start of the same request finds the first.
      onConflict: 'use-existing',
      ...times,
      ...(attributes === undefined ? {} : { attributes: checkedAttributes(attributes) }),
    }
    await calls.start(start)
  }

  async #signal(request: WorkRequest): Promise<void> {
    const key = { namespace: this.#nameOf(request.namespace), workflowId: this.#nameOf(request.target) }
    const { requestId } = optionsOf(signalOptions, request)
    const payload = await this.#payloadOf(request, undefined)
    await this.#options.calls.signal({ key }, request.name, payload, this.#nameOf(requestId))
  }

  async #taskOf(request: WorkRequest): Promise<TaskRequest> {
    const { namespace, target, name } = request
    const task = this.#tasks.get(name)
    const { queue, maxAttempts, timeoutMs, priority, ...rest } = optionsOf(taskOptions, request)
    const retry = maxAttempts === undefined ? task?.retry : retriesOf(task, maxAttempts)
    const timeouts =
      timeoutMs === undefined ? task?.timeouts : { ...task?.timeouts, startToCloseMs: timeoutMs }
    return {
      namespace: this.#nameOf(namespace),
      name,
      id: this.#nameOf(target),
      queue: queue ?? task?.queue ?? 'default',
      input: await this.#payloadOf(request, task?.inputSchema),
      ...(priority === undefined ? {} : { priority: checkedPriority(priority) }),
      ...rest,
      ...(retry === undefined ? {} : { retry }),
      ...(timeouts === undefined ? {} : { timeouts }),
    }
  }

  async #payloadOf(
    { payload, kind, name }: WorkRequest,
    schema: StandardSchema | undefined,
  ): Promise<Payload> {
    const { limits, warn } = this.#options
    if (payload === undefined)
      throw new PerdureError('PAYLOAD_TOO_LARGE', `a payload is larger than ${limits.payloadBytes} bytes`)
    const given: unknown = payload === null ? undefined : JSON.parse(payload)
    if (schema === undefined)
      return given === undefined ? EMPTY_PAYLOAD : checkedPayload(given, limits, { warn })
    const what = `the input of ${kind === 'task' ? 'task' : 'workflow'} ${name}`
    return checkedPayload(await validate(schema, given, 'INPUT_INVALID', what), limits, { warn })
  }

  #nameOf(text: string): string {
    return checkedName(text, 'an id of the request', this.#options.limits.idBytes)
  }
}

function retriesOf(task: Task | undefined, maxAttempts: number): TaskRequest['retry'] & {} {
  return { ...(task?.retry ?? retryPolicyOf({})), maxAttempts }
}

function optionsOf<T>(shape: Shape<T>, { id, options }: WorkRequest): T {
  return shaped(shape, options, `request ${id}`)
}
