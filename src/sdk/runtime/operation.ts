/** Operations that workflow code has made and that are not settled yet. */
import type { StepContext } from '../context.ts'
import type { Scope } from './scope.ts'
import type { StepAttempt } from './step-attempt.ts'

export type OperationKind =
  | 'step'
  | 'sleep'
  | 'wait'
  | 'child'
  | 'task'
  | 'human'
  | 'approval'
  | 'attributes'
  | 'signal-child'

export type StepFunction = (step: StepContext) => unknown

export interface PendingOperation {
  readonly kind: OperationKind
  readonly name: string
  readonly scope: Scope
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly run: StepFunction | undefined
  /** Of a step: limit of one attempt. Of a wait: it has a timer. */
  readonly timeoutMs: number | undefined
  /** When the code made it, ms; not of steps. */
  readonly sinceMs?: number
  /** Of a step: the attempt that runs. */
  attempt: StepAttempt | undefined
}
