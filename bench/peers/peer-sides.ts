/**
 * Who takes part, and what each side is asked for: to run a workflow to its end, or to take jobs and run them.
 *
 * Each side is a module `<name>-side.ts`, which is loaded only in the process that measures it: what it imports is installed
 * on demand.
 */

export const WORKFLOW_SIDES = ['perdure-postgres', 'perdure-sqlite', 'dbos', 'restate'] as const
export const QUEUE_SIDES = [
  'perdure-postgres',
  'perdure-sqlite',
  'pg-boss',
  'graphile-worker',
  'bullmq',
] as const

export type WorkflowSideName = (typeof WORKFLOW_SIDES)[number]
export type QueueSideName = (typeof QUEUE_SIDES)[number]
export type SideName = WorkflowSideName | QueueSideName

/** In the order of the tables. */
export const SIDES: readonly SideName[] = [...new Set<SideName>([...WORKFLOW_SIDES, ...QUEUE_SIDES])]

/** What the process of a side is told. */
export interface SideOrder {
  /** Of the store, database or server, which is empty. */
  readonly url: string
  /** Of a second interface, where the server has one. */
  readonly adminUrl?: string
}

export interface WorkflowsSideOrder extends SideOrder {
  /** No-op steps of one execution, one after the other. */
  readonly steps: number
}

export interface WorkflowsSide {
  /** Starts an execution and resolves with its durable result. `id` is new, and starting it twice would start it once. */
  readonly execute: (id: string) => Promise<unknown>
  readonly close: () => Promise<void>
}

export interface Job {
  readonly orderId: string
}

export interface QueueSide {
  /** What one call of `enqueue` should get at most. */
  readonly batchJobs: number
  /** How many calls of `enqueue` should be under way at once. */
  readonly callers: number
  /** Resolves when all of them are durably enqueued. */
  readonly enqueue: (jobs: readonly Job[]) => Promise<unknown>
  /** Starts a worker that calls `ran` for each job. */
  readonly work: (ran: () => void) => Promise<void>
  /** No job waits or runs any more, and that is durable. Asked again and again once all have run. */
  readonly isDrained: () => Promise<boolean>
  readonly close: () => Promise<void>
}

/** What every step and job does, and what it answers. */
export const doNothing = (): { ok: boolean } => ({ ok: true })
