/**
 * Schedules in the store: one row each, written whole. `dueAt` is when the engine has something to do for it next; all
 * that have such a time are indexed by (due, namespace, id), and those that wait for the end of an execution by their key.
 */

export interface ScheduleKey {
  readonly namespace: string
  readonly id: string
}

export interface ScheduleRow extends ScheduleKey {
  /** ms since 1970; null: nothing is to be done for it, as while it is paused. */
  readonly dueAt: number | null
  /** It has a run that starts when an execution has ended. */
  readonly waits: boolean
  /** JSON of what its owner has said: when, what, and how. */
  readonly spec: string
  /** JSON of what has become of it. */
  readonly state: string
}

export interface DueSchedulePage {
  readonly after: ScheduleKey & { readonly dueAt: number }
  readonly upToMs: number
  readonly limit: number
}

export interface ScheduleListQuery {
  readonly namespace?: string
  /** Only those after it, in order of (namespace, id). */
  readonly after?: ScheduleKey
  /** Only those that wait for the end of an execution. */
  readonly waits?: true
  readonly limit: number
}

/** What the engine reads of schedules. Texts are in the order of their UTF-8 bytes. */
export interface ScheduleReads {
  /** In the order asked. */
  schedules(keys: readonly ScheduleKey[]): Promise<readonly (ScheduleRow | undefined)[]>
  /** Due up to `upToMs` inclusive, after the position, in order of (due, namespace, id). */
  dueSchedules(page: DueSchedulePage): Promise<readonly ScheduleRow[]>
  /** In order of (namespace, id). */
  listSchedules(query: ScheduleListQuery): Promise<readonly ScheduleRow[]>
}
