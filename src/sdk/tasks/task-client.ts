/** The typed client of tasks, over the untyped `TaskPort`. */
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { errorOf } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import { decodePayload } from '../../protocol/payload.ts'
import type { QueueExplanation } from '../../protocol/queue-explanation.ts'
import {
  OWN_TASK_ID,
  type TaskDescription,
  type TaskExplanation,
  type TaskPort,
  type TaskRequest,
  type TaskTarget,
} from '../../protocol/task-port.ts'
import { checkedOptions, checkedReason, type OptionNames } from '../checked-arguments.ts'
import { checkedPayload, type PayloadWarner } from '../checked-payload.ts'
import type { CallArgs } from '../context.ts'
import { repeated } from '../repeated.ts'
import { validate } from '../standard-schema.ts'
import type { Task, TaskInputOf, TaskOutputOf } from './task.ts'
import { TaskFailedError } from './task-failed-error.ts'
import { keyOptionsOf, type TaskKeyOptions } from './task-key-options.ts'
import {
  type TaskListOptions,
  type TaskRetryOptions,
  taskListQuery,
  taskRetryQuery,
} from './task-list-options.ts'
import {
  checkedPriority,
  queueOf,
  TASK_CALL_OPTIONS,
  type TaskCallOptions,
  taskOptionsOf,
} from './task-options.ts'

export interface EnqueueOptions extends TaskCallOptions, TaskKeyOptions {
  /** Unique in the namespace: enqueueing it again answers the handle of the existing task. Default: a new unique one. */
  readonly id?: string
}

export interface TaskInfo
  extends Omit<TaskDescription, 'enqueuedAt' | 'startedAt' | 'closedAt' | 'delayedUntil' | 'failure'> {
  readonly enqueuedAt: Date
  readonly startedAt: Date | undefined
  readonly closedAt: Date | undefined
  readonly delayedUntil: Date | undefined
  readonly error: Error | undefined
}

export interface TaskClientSettings extends PayloadWarner {
  readonly limits: Limits
  readonly namespace: string
}

const ENQUEUE_OPTIONS: OptionNames<EnqueueOptions> = {
  id: true,
  ...TASK_CALL_OPTIONS,
  dedupeKey: true,
  dedupeFor: true,
  debounce: true,
}

export class TaskClient {
  readonly #port: TaskPort
  readonly #settings: TaskClientSettings

  constructor(port: TaskPort, settings: TaskClientSettings) {
    this.#port = port
    this.#settings = settings
  }

  /** Puts a task into its queue; resolves when it is durable. Idempotent by `id`. */
  async enqueue<T extends Task>(
    task: T,
    ...[input, options]: CallArgs<TaskInputOf<T>, EnqueueOptions>
  ): Promise<TaskHandle<T>> {
    // Without an input there need not be one.
    const inputs = [input] as readonly TaskInputOf<T>[]
    const [handle] = await this.enqueueMany(task, inputs, options === undefined ? {} : () => options)
    if (handle === undefined) throw new Error('invariant: one task was enqueued')
    return handle
  }

  /**
   * Puts many tasks into their queue, far faster than one by one; resolves when all are durable.
   *
   * @param options of all, or of each by its input
   */
  async enqueueMany<T extends Task>(
    task: T,
    inputs: readonly TaskInputOf<T>[],
    options: EnqueueOptions | ((input: TaskInputOf<T>, index: number) => EnqueueOptions) = {},
  ): Promise<readonly TaskHandle<T>[]> {
    if (task?.kind !== 'task')
      throw new PerdureError('ARGUMENT_INVALID', 'the first argument is not a task that task() made')
    if (!Array.isArray(inputs))
      throw new PerdureError('ARGUMENT_INVALID', 'enqueueMany(): the inputs are not a list')
    const shared = typeof options === 'function' ? undefined : this.#optionsOf(task, options)
    const requests: TaskRequest[] = []
    for (const [i, input] of inputs.entries()) {
      const own = shared ?? this.#optionsOf(task, typeof options === 'function' ? options(input, i) : options)
      const { inputSchema } = task
      const accepted =
        inputSchema === undefined
          ? input
          : await validate(inputSchema, input, 'INPUT_INVALID', `the input of task ${task.name}`)
      requests.push({ ...own, input: checkedPayload(accepted, this.#settings.limits, this.#settings) })
    }
    const replies = await this.#port.enqueue(requests)
    const { namespace } = this.#settings
    return replies.map(({ id, enqueued }) => new TaskHandle<T>(this.#port, { namespace, id }, enqueued))
  }

  /** The handle of an existing task. */
  task<T extends Task>(_task: T, id: string): TaskHandle<T> {
    const { namespace, limits } = this.#settings
    return new TaskHandle<T>(this.#port, {
      namespace,
      id: checkedName(id, 'the id of a task', limits.idBytes),
    })
  }

  /** Tasks of the namespace, newest first. */
  async listTasks(
    options: TaskListOptions = {},
  ): Promise<{ readonly tasks: readonly TaskInfo[]; readonly cursor: string | undefined }> {
    const page = await this.#port.list(taskListQuery(options, this.#settings.namespace))
    return { tasks: page.tasks.map(infoOf), cursor: page.cursor }
  }

  /**
   * Retries all that the options select, oldest first, in commits of up to 500; by default the dead letters. Each task is
   * retried once, also if it fails again meanwhile.
   *
   * @returns how many; when it throws, those of the commits before are retried
   */
  async retryTasks(options: TaskRetryOptions = {}): Promise<number> {
    const query = taskRetryQuery(options, this.#settings.namespace)
    let retried = 0
    let cursor: string | undefined
    do {
      const at = cursor === undefined ? {} : { cursor }
      const page = await repeated(() => this.#port.retryMany({ ...query, ...at }))
      retried += page.retried
      cursor = page.cursor
    } while (cursor !== undefined)
    return retried
  }

  /** Why its tasks wait, in a sentence and as data. A queue that nobody has used is empty. */
  async explainQueue(name: string): Promise<QueueExplanation> {
    const { namespace, limits } = this.#settings
    const queue = checkedName(name, 'the name of a queue', limits.idBytes)
    return repeated(() => this.#port.explainQueue({ namespace, queue }))
  }

  #optionsOf(task: Task, options: EnqueueOptions): Omit<TaskRequest, 'input'> {
    const { namespace, limits } = this.#settings
    const { id, queue, dedupeKey, dedupeFor, debounce, ...rest } = checkedOptions(
      options,
      'enqueue()',
      ENQUEUE_OPTIONS,
    )
    if (id?.startsWith?.(OWN_TASK_ID) === true)
      throw new PerdureError(
        'ID_INVALID',
        `the id of a task begins with '${OWN_TASK_ID}', which perdure's own ids do`,
      )
    return {
      namespace,
      name: task.name,
      queue: queueOf(task, queue, limits),
      ...(id === undefined ? {} : { id: checkedName(id, 'the id of a task', limits.idBytes) }),
      ...keyOptionsOf({ dedupeKey, dedupeFor, debounce, delay: rest.delay }, limits),
      ...taskOptionsOf(task, rest, limits),
    }
  }
}

/** The handle of one task. It holds no state. */
export class TaskHandle<T extends Task = Task> {
  readonly id: string
  /** Of `enqueue`: whether it made the task; false: it existed, by its id or key. Undefined for the handle of `task()`. */
  readonly enqueued: boolean | undefined
  readonly #port: TaskPort
  readonly #target: TaskTarget

  constructor(port: TaskPort, target: TaskTarget, enqueued?: boolean) {
    this.#port = port
    this.#target = target
    this.id = target.id
    this.enqueued = enqueued
  }

  /** Waits for the result. Throws `TaskFailedError` if it failed, was cancelled or expired; its `cause` says why. */
  async result(): Promise<TaskOutputOf<T>> {
    const outcome = await this.#port.outcome(this.#target)
    // The one cast: what the task returned is what its type says.
    if (outcome.status === 'completed') return decodePayload(outcome.result) as TaskOutputOf<T>
    throw new TaskFailedError(this.id, outcome.status, errorOf(outcome.failure))
  }

  async describe(): Promise<TaskInfo> {
    return infoOf(await repeated(() => this.#port.describe(this.#target)))
  }

  /** Why it waits, in a sentence and as data. */
  async explain(): Promise<TaskExplanation> {
    return repeated(() => this.#port.explain(this.#target))
  }

  /** A waiting task is taken from its queue; one that runs is aborted. */
  async cancel(reason = 'cancelled by a client'): Promise<void> {
    const checked = checkedReason(reason)
    await repeated(() => this.#port.cancel(this.#target, checked))
  }

  /** A failed, cancelled or expired task begins anew, with all its attempts, from its last checkpoint. */
  async retry(): Promise<void> {
    await repeated(() => this.#port.retry(this.#target))
  }

  /** Deletes a closed task; its id is free again. */
  async delete(): Promise<void> {
    await repeated(() => this.#port.delete(this.#target))
  }

  async reprioritise(priority: number): Promise<void> {
    const checked = checkedPriority(priority)
    await repeated(() => this.#port.reprioritise(this.#target, checked))
  }
}

function infoOf({
  enqueuedAt,
  startedAt,
  closedAt,
  delayedUntil,
  failure,
  ...rest
}: TaskDescription): TaskInfo {
  return {
    ...rest,
    enqueuedAt: new Date(enqueuedAt),
    startedAt: dateOf(startedAt),
    closedAt: dateOf(closedAt),
    delayedUntil: dateOf(delayedUntil),
    error: failure === undefined ? undefined : errorOf(failure),
  }
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}
