/** Tasks of executions, between an engine's parts, and between nodes: an execution and the queue of its task may be apart. */
import { queueShardOf, type RunId } from '../protocol/ids.ts'
import type { Payload } from '../protocol/payload.ts'
import type { TaskOptions, TaskOwner } from '../protocol/task-port.ts'
import { traceField } from '../protocol/trace-context.ts'
import type { TaskCommand, WorkflowCommand } from '../protocol/workflow-command.ts'
import type { TaskSeq } from '../store/contract/task-rows.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { LiveExecution } from './live-execution.ts'
import type { Mailbox } from './mailbox.ts'
import type { LiveTask } from './tasks/live-task.ts'
import { taskEndOf } from './tasks/task-description.ts'
import type { TaskDesk } from './tasks/task-desk.ts'

export interface TaskingEngine {
  readonly ownership: Ownership
  readonly tasks: TaskDesk
  readonly mailbox: Mailbox
  readonly newRunId: () => RunId
}

/** Ids are inputs of the kernel: new runs and tasks get theirs here. */
export function withIds({ tasks, newRunId }: TaskingEngine, command: WorkflowCommand): WorkflowCommand {
  if (command.kind === 'task') {
    const task = tasks.nextNumber()
    const partition = tasks.partitionOf(command.queue, command.options.key, task)
    return partition === 0 ? { ...command, task } : { ...command, task, partition }
  }
  if (command.kind !== 'child' && command.kind !== 'continue') return command
  return { ...command, newRunId: newRunId() }
}

export function scheduleTask(
  { ownership, tasks, mailbox }: TaskingEngine,
  execution: LiveExecution,
  command: TaskCommand & { readonly task: TaskSeq },
): void {
  const { key, runId, client, trace } = execution.state
  const { queue: name, partition = 0 } = command
  const queue = { namespace: key.namespace, queue: name, partition }
  const from = { runId, ...(client === undefined ? {} : { client }), ...traceField(trace) }
  if (ownership.ownsQueue(queue)) tasks.schedule(key, from, command)
  else mailbox.send(execution, { kind: 'schedule-task', to: key, ...from, queue, command })
}

/** A task that tells somebody of what has become of an execution: in the same commit as that, and nobody waits for its end. */
export interface ToldTask {
  readonly queue: string
  readonly name: string
  readonly input: Payload
  readonly options: Pick<TaskOptions, 'key' | 'retry' | 'timeouts'>
}

export function enqueueTold(
  { tasks, mailbox }: TaskingEngine,
  execution: LiveExecution,
  { queue: name, options, ...told }: ToldTask,
): void {
  const { key } = execution.state
  const task = tasks.nextNumber()
  const partition = tasks.partitionOf(name, options.key, task)
  const queue = { namespace: key.namespace, queue: name, partition }
  // By the outbox, also to a queue of this node: the task comes with what it tells of, or not at all.
  mailbox.send(execution, { kind: 'enqueue-task', to: key, queue, task, ...told, options })
}

/** It has ended, and is deleted in the same batch. */
export function reportTask({ mailbox, ownership }: TaskingEngine, task: LiveTask, owner: TaskOwner): void {
  const { workflowId, runId, op } = owner
  const to = { namespace: task.head.namespace, workflowId }
  const message = { kind: 'task-closed', to, runId, op, task: task.seq, end: taskEndOf(task) } as const
  mailbox.report(message, queueShardOf(task.head, ownership.shards))
}
