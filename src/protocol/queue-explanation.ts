/** Why the tasks of a queue wait: one sentence for people, and the same as data. Times are ms since 1970. */

import type { QueueLimits } from './queue-settings.ts'

/** A worker that gets no tasks of a queue for now, since too much failed there. */
export interface EjectedWorker {
  readonly id: string
  readonly untilMs: number
}

/** What of a queue is held up apart from the rest. */
export interface HeldUpTasks {
  readonly reason: /** No worker here has their code, and what they require. */
    | 'no-code'
    /** The workers that can run them have no place free, or too little of the CPU or memory that they require. */
    | 'workers-busy'
    | 'key-limit'
    | 'key-rate'
  /** The name of the tasks, or their key. */
  readonly name: string
  readonly waiting: number
  /** With `key-rate`. */
  readonly untilMs?: number
}

/** Why and since when a queue is paused, if it was paused at run time. */
export interface QueuePause {
  readonly reason: string
  readonly atMs: number
}

export interface QueueExplanation {
  readonly reason: /** Nothing waits in it. */
    | 'empty'
    | 'paused'
    | 'queue-limit'
    | 'queue-rate'
    /** Of all that wait: see there; their keys are at their limit, or have used up their rate. */
    | HeldUpTasks['reason']
    /** Tasks are being moved to where a change of settings puts them. */
    | 'moving'
    /** Nothing holds it up: its tasks start. */
    | 'starting'
  /** For people. */
  readonly sentence: string
  readonly waiting: number
  readonly running: number
  readonly limit?: number
  /** Its limits that are in force. */
  readonly limits: QueueLimits
  /** Of those that wait, the ones that are not yet moved to where a change of settings puts them, if there are any. */
  readonly moving?: number
  /** With `paused`. */
  readonly pause?: QueuePause
  readonly untilMs?: number
  /** With `workers-busy`: those that could run the tasks that the sentence tells of, if there are any. */
  readonly ejected?: readonly EjectedWorker[]
  /** The largest first, at most 10. */
  readonly held: readonly HeldUpTasks[]
}
