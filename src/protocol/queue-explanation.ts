/** Why the tasks of a queue wait: one sentence for people, and the same as data. Times are ms since 1970. */

import type { QueueLimits } from './queue-settings.ts'

/** What of a queue is held up apart from the rest. */
export interface HeldUpTasks {
  readonly reason: 'no-code' | 'key-limit' | 'key-rate'
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
    /** Of all that wait: no worker here has their code; their keys are at their limit, or have used up their rate. */
    | HeldUpTasks['reason']
    | 'workers-busy'
    /** Nothing holds it up: its tasks start. */
    | 'moving'
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
  /** The largest first, at most 10. */
  readonly held: readonly HeldUpTasks[]
}
