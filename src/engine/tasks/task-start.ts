/** What a worker gets of a task that starts. Made on demand: most tasks never ask for their id. */
import { attemptsOf } from '../../core/task/task-record.ts'
import { idempotencyKeyOf } from '../../protocol/ids.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { TaskDispatch } from '../../protocol/task-worker-port.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'
import type { LiveTask } from './live-task.ts'

export class TaskStart implements TaskDispatch<LiveTask> {
  readonly owner: LiveTask
  readonly quantumMs: number | undefined

  constructor(owner: LiveTask, quantumMs: number | undefined) {
    this.owner = owner
    this.quantumMs = quantumMs
  }

  get id(): string {
    return this.owner.id
  }

  get name(): string {
    return this.owner.head.name
  }

  get input(): Payload {
    return this.owner.record.state.input ?? this.owner.spec.input
  }

  get attempt(): number {
    return attemptsOf(this.owner.record.state) + 1
  }

  get idempotencyKey(): string {
    const { head, spec } = this.owner
    if (spec.owner === undefined) return `${head.namespace}/task/${this.id}`
    const { workflowId, runId, op } = spec.owner
    return idempotencyKeyOf({ namespace: head.namespace, workflowId }, runId, op)
  }

  get trace(): TraceContext | undefined {
    return this.owner.spec.trace
  }

  get queue(): string {
    return this.owner.head.queue
  }

  get checkpoint(): Payload | undefined {
    return this.owner.record.state.checkpoint
  }
}
