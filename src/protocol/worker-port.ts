/**
 * Between the engine and the code that runs workflows. The embedded worker is called directly; a remote one speaks the
 * same messages over a socket.
 *
 * 1. For one run, events arrive in journal order and each once.
 * 2. A worker delivers at most one event per run and turn; after the turn it reports the commands of that turn.
 * 3. Step functions are called only by `runStep`, which the engine sends after the commit of what the step derives from.
 * 4. Each side holds the other's object of a run: `ActiveRun` here, `Owner` there. No call looks a run up.
 */
import type { DeliveredEvent, Operation, SequencedEvent } from './event.ts'
import type { Failure } from './failure.ts'
import type { RunId, WorkflowKey } from './ids.ts'
import type { Payload } from './payload.ts'
import type { WorkflowCommand } from './workflow-command.ts'

export interface RunInfo {
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly workflow: string
  readonly version: string
  /** Build of the worker that its code began on, if that worker said it. */
  readonly build?: string | undefined
}

export interface Activation<Owner> {
  /** What the worker names the run by when it calls back. */
  readonly owner: Owner
  readonly info: RunInfo
  /** The journal so far, without what was withdrawn. Empty for a run that was just started: its events follow by `deliver`. */
  readonly history: readonly SequencedEvent[]
}

export interface StepDispatch {
  readonly op: Operation
  readonly attempt: number
  /** When the engine gave it to the worker, ms of the clock that nobody sets; it comes back with the outcome. Absent: not measured. */
  startedMs?: number | undefined
}

export type CallResult =
  | { readonly ok: true; readonly result: Payload }
  | { readonly ok: false; readonly failure: Failure }

/** `unknown`: no handler is registered (yet). */
export type UpdateVerdict = 'accepted' | 'unknown' | Failure

export interface CodeWait {
  readonly op: Operation
  /** Of the signal. */
  readonly name: string
  /** When the code began to wait, ms since 1970. */
  readonly sinceMs: number
}

export interface LogRecord {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: { readonly [name: string]: unknown } | undefined
}

/** What a run asked for in one turn. */
export interface TurnReport<Owner> {
  readonly owner: Owner
  readonly commands: readonly WorkflowCommand[]
  /** The code does not match the history, or awaits something that is not an operation: the run is to be parked. */
  readonly parked?: Failure
  /** Written when what they derive from is committed. */
  readonly logs?: readonly LogRecord[]
  /** Every event given so far is delivered, and no code of the run can go on without a further event. */
  readonly idle: boolean
}

export interface WorkerPort<Owner> {
  /** True if there is code for the workflow and version, or will be soon. */
  supports(workflow: string, version: string, namespace: string): boolean
  activate(activation: Activation<Owner>): ActiveRun
  /** Runs in this process that have events to deliver or commands to report. */
  readonly busyRuns: number
  /** Step attempts in this process whose functions have not settled. */
  readonly runningSteps: number
  /** No code runs, here or anywhere, and nothing that it said is on its way. */
  readonly isQuiet: boolean
}

/** A run whose code is live in a worker. */
export interface ActiveRun {
  /** Of the worker, if it says one. */
  readonly build?: string | undefined
  /** No worker has its code now: it is activated anew when one comes. */
  readonly isWaiting?: boolean
  /** Step attempts that run, and whose outcome still counts. */
  readonly runningSteps: number
  deliver(seq: number, event: DeliveredEvent): void
  runStep(step: StepDispatch): void
  /** Aborts the signal of a running step attempt. */
  abortStep(op: Operation): void
  /** Undefined: the run is not live there any more. */
  query(name: string, payload: Payload): CallResult | Promise<CallResult | undefined>
  /** Runs the validator of an update. */
  validateUpdate(name: string, payload: Payload): UpdateVerdict | Promise<UpdateVerdict | undefined>
  /** Waits for signals: those without a time limit are known to the code alone. */
  waits(): readonly CodeWait[] | Promise<readonly CodeWait[]>
  /** Forgets the run: its code never runs again, its running steps are aborted and their results ignored. */
  evict(): void
}

/** What the worker calls back. */
export interface WorkerHost<Owner> {
  onTurn(reports: readonly TurnReport<Owner>[]): void
  onStepCompleted(owner: Owner, step: StepDispatch, result: Payload): void
  onStepFailed(owner: Owner, step: StepDispatch, failure: Failure): void
}

/** What workers in other processes may bring about besides. */
export interface RemoteWorkerHost<Owner> extends WorkerHost<Owner> {
  /** Their code is not live any more: it has to be activated again, unless it waits for nothing but an event. */
  onRunsLost(owners: readonly Owner[]): void
  /** Code is there that may have been missing. */
  onCodeArrived(code: readonly ArrivedCode[]): void
}

export interface ArrivedCode {
  readonly namespace: string
  readonly workflow: string
  readonly version: string
}
