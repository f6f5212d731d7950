/**
 * The scheduling policy of a queue decides which task is next. It does so with numbers that are computed once, when a
 * task begins to wait, and stored with it: so its order holds over a backlog of any size, most of which is not in memory.
 *
 * 1. Within a flow the smallest rank is next, ties in the order of `seq`.
 * 2. A policy without flows has one order over all tasks. One with flows says by `FlowOrder` which flow is next.
 * 3. Time only comes in through tasks. A policy that ages does it by rank: all that wait age alike, so that the order of
 *    two waiting tasks never changes.
 */

/** What a policy is told of a task. */
export interface PolicyTask {
  /** Name of the task definition. */
  readonly name: string
  /** What the caller groups tasks by, such as a tenant; '' without. */
  readonly key: string
  /** 0 to 9; 9 is the most urgent. */
  readonly priority: number
  /** How long it is expected to run, ms, as declared by the caller. */
  readonly estimateMs: number | undefined
  /** When it was enqueued first, ms since 1970. */
  readonly enqueuedMs: number
  /** Rises with each task that begins to wait; a task that yielded begins anew. */
  readonly order: number
}

export interface Place {
  /** '' in a policy without flows. */
  readonly flow: string
  /** Any finite number. */
  readonly rank: number
  /** What a `FlowOrder` charges when the task is dispatched, ms of service. */
  readonly chargeMs: number
}

export interface SchedulingPolicy {
  readonly name: string
  place(task: PolicyTask): Place
  /** Between flows; without it, tasks of all flows are compared by rank. */
  readonly flows?: FlowOrder
  /** Asked to yield after this much service, ms. Default: never. */
  readonly quantumMs?: number
  /** An attempt of a task ended or yielded after `servedMs` of service. */
  served?(task: PolicyTask, servedMs: number): void
}

/** The order between flows. It is told when tasks of a flow begin to wait and are served, and keeps its own accounts. */
export interface FlowOrder {
  /** The turn at which the flow can serve a task that costs `chargeMs`: the flow with the smallest turn is next. */
  turn(flow: string, chargeMs: number): number
  /** A task of the flow is dispatched. */
  charge(flow: string, chargeMs: number): void
  /** It ran for `servedMs`; `chargeMs` was charged. */
  settle(flow: string, chargeMs: number, servedMs: number): void
  /** Nothing of the flow waits any more. */
  emptied(flow: string): void
}
