/** An execution in memory: its state, what of it is not committed yet, and who waits for it. */
import type { ExecutionState } from '../core/execution/state.ts'
import type { TrackedCall } from '../platform/call-context.ts'
import type { Attributes } from '../protocol/event.ts'
import type { ExecutionStatus } from '../protocol/execution-status.ts'
import type { Failure } from '../protocol/failure.ts'
import { keyText } from '../protocol/ids.ts'
import type { Payload } from '../protocol/payload.ts'
import type { ActiveRun } from '../protocol/worker-port.ts'
import type { RunWrites } from '../store/contract/batch-builder.ts'
import type { WorkflowSeries } from './metrics/execution-metrics.ts'
import type { OpenBatch } from './open-batch.ts'

export interface UpdateRequest {
  /** Where it waits; undefined: it was answered. */
  at: LiveExecution | undefined
  readonly updateId: string
  readonly name: string
  readonly payload: Payload
  /** That it belongs to, if calls are recorded. */
  readonly call: TrackedCall | undefined
  readonly reply: (
    answer: { readonly result: Payload } | { readonly failure: Failure } | { readonly error: Error },
  ) => void
}

export class LiveExecution {
  readonly state: ExecutionState
  readonly shard: number
  /** The newest batch that holds a change of it. */
  batch: OpenBatch<LiveExecution> | undefined
  /** Its accumulator in that batch. */
  writes: RunWrites | undefined
  /** Its code, while it is live in the worker. */
  run: ActiveRun | undefined
  /** The code has had every event and waits. */
  isCodeIdle = true
  /** False from when it is loaded until its code has said again which signals it consumed: the journal does not say. */
  areSignalsKnown = true
  /** The summary as it was last written. */
  rowStatus: ExecutionStatus = 'running'
  rowActive: boolean
  rowAttributes: Attributes | null = null
  /** Calls that need it in memory until they are answered. */
  pins = 0
  /** Updates that wait for a handler, and accepted ones that wait for their result. */
  updateRequests: UpdateRequest[] | undefined
  /** The code, in another process, was asked to validate one of them. */
  isAskedToValidate = false
  updateWaiters: Map<string, UpdateRequest[]> | undefined
  /** Its start is not counted in the metrics yet. */
  isStartUncounted = false
  /** The last event by which it has ended that is counted; of one that was loaded, what is in the store was. */
  endCountedAt: number
  /** Where what is observed of it goes; looked up once. */
  series: WorkflowSeries | undefined
  /** Limits whose approach was logged. */
  limitsWarned: Set<string> | undefined
  #keyText: string | undefined

  constructor(state: ExecutionState, shard: number, rowActive: boolean) {
    this.state = state
    this.endCountedAt = state.seq
    this.shard = shard
    this.rowActive = rowActive
  }

  /** The text of its key, made once. */
  get keyText(): string {
    this.#keyText ??= keyText(this.state.key)
    return this.#keyText
  }

  /** Everything known of it is in the store. */
  get isCommitted(): boolean {
    return this.batch === undefined || this.batch.isDone
  }

  forgetBatch(): void {
    this.batch = undefined
    this.writes = undefined
  }

  /** Nothing can happen to it but by an event from outside. */
  get isIdle(): boolean {
    return (
      this.isCodeIdle &&
      this.state.runnableSteps === 0 &&
      this.pins === 0 &&
      this.updateWaiters === undefined &&
      this.updateRequests === undefined
    )
  }
}
