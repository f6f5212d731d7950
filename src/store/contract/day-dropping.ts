/** What became of the days that a store was asked to drop. */
export interface DayDropping {
  /** Days of start, since 1970, that are gone with all their executions but those that are open, or closed not long enough. */
  readonly dropped: readonly number[]
  /** Somebody was in the way of a day: it is to be tried again soon. */
  readonly isBlocked: boolean
}
