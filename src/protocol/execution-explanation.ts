/** Why an execution waits: one sentence for people, and the same as data. Times are ms since 1970. */
import type { Operation } from './event.ts'
import type { ExecutionStatus } from './execution-status.ts'
import type { Failure } from './failure.ts'
import type { People } from './human-task.ts'
import type { RunId } from './ids.ts'
import type { TaskExplanation } from './task-port.ts'

/** One operation that an execution waits for. */
export type WaitExplanation = { readonly op: Operation; readonly sentence: string } & (
  | {
      readonly kind: 'signal'
      readonly name: string
      /** When its code began to wait. */
      readonly sinceMs?: number
      /** When it waits no longer; absent: it waits for ever. */
      readonly untilMs?: number
    }
  | { readonly kind: 'sleep'; readonly untilMs: number }
  | {
      readonly kind: 'step'
      readonly name: string
      /** The attempt that runs. */
      readonly attempt: number
      readonly maxAttempts: number
    }
  | {
      readonly kind: 'step-retry'
      readonly name: string
      /** The attempt that is next. */
      readonly attempt: number
      readonly maxAttempts: number
      readonly untilMs: number
      readonly failure?: Failure
    }
  | {
      readonly kind: 'task'
      readonly name: string
      readonly taskId: string
      /** Absent: it has ended in this moment. */
      readonly task?: TaskExplanation
    }
  | {
      readonly kind: 'human'
      readonly name: string
      readonly humanTaskId: string
      /** Who has claimed it, and who could, of the seats that are in turn. */
      readonly holders: readonly string[]
      readonly candidates: People
      readonly untilMs?: number
    }
  | {
      readonly kind: 'child'
      readonly name: string
      readonly child: { readonly workflowId: string; readonly runId: RunId }
    }
)

export interface ExecutionExplanation {
  /** Of an open execution what it waits for first. */
  readonly reason:
    | Exclude<ExecutionStatus, 'running'>
    | WaitExplanation['kind']
    /** Its start was delayed. */
    | 'delayed'
    /** No worker that has its code is connected. */
    | 'no-worker'
    /** Its code runs, or is about to. */
    | 'running-code'
  /** For people. */
  readonly sentence: string
  /** In the order of the operations, at most 100. */
  readonly waits: readonly WaitExplanation[]
  /** Operations beyond those. */
  readonly more?: number
  /** With `delayed`. */
  readonly untilMs?: number
  /** Why it is parked, or how it ended. */
  readonly failure?: Failure
}
