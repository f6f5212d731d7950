/** Timers of an execution that belong to no operation; all others have the number of their operation. */
export const START_TIMER = -1
export const DEADLINE_TIMER = -2
