/**
 * Reads whose answers are shown to people: lists, inboxes, history. A store may answer them from a replica of its database.
 *
 * They have a type of their own so that the code says which reads these are. What an engine decides from (which run an id
 * names, what a run has journaled, what waits, what is due) is read through `Store` itself, never through this: a test of the
 * architecture names the only files that may ask for `shownReads`.
 */
import type { HumanTaskReads } from './human-task-rows.ts'
import type { ScheduleReads } from './schedule-rows.ts'
import type { Store } from './store.ts'
import type { TaskReads } from './task-rows.ts'

export interface ShownReads
  extends Pick<Store, 'list' | 'journal'>,
    Pick<TaskReads, 'listTasks'>,
    Pick<ScheduleReads, 'listSchedules'>,
    HumanTaskReads {}

/** How often these reads were answered by whom, since the store was opened. */
export interface ShownReadCounts {
  readonly replica: number
  /** By the primary, since no replica could be used or was there in time. */
  readonly primary: number
}

/** A store with a replica for them. */
export interface ReplicatedStore {
  readonly shown: ShownReads
  readonly shownCounts: ShownReadCounts
}

export function shownReads(store: Store & Partial<ReplicatedStore>): ShownReads {
  return store.shown ?? store
}
