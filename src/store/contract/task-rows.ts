/**
 * Tasks in the store: one row each, updated in place. A task needs no journal: its row is its history.
 *
 * `lane` and `rank` are where it waits (see `core/queue`). All that wait are indexed by (queue, lane, rank, seq), so that
 * the order of a queue holds over any number of tasks; all that something is due for, by (due, seq).
 */
import type { TaskSpec, TaskState } from '../../core/task/task-record.ts'
import { ownTaskId } from '../../protocol/task-ids.ts'
import type { TaskStatus } from '../../protocol/task-status.ts'

/** Number of a task in its store; rises with time, and is never used again. */
export type TaskSeq = number

export interface QueueKey {
  readonly namespace: string
  readonly queue: string
  /** 0, 1, … */
  readonly partition: number
}

export interface TaskRow extends QueueKey {
  readonly seq: TaskSeq
  /** Given by the caller, unique in the namespace; null: none was given. */
  readonly id: string | null
  readonly name: string
  readonly status: TaskStatus
  readonly lane: string
  readonly rank: number
  /** When something is to be done for it, ms: its start, its next attempt, or the end of its time. */
  readonly dueAt: number | null
  readonly closedAt: number | null
  /** Text of the key that it holds, for deduplication or debouncing; null: none. See `core/task/task-key.ts`. */
  readonly dedupe: string | null
  /** JSON of what never changes: input and options. */
  readonly spec: string
  /** JSON of what changes; null: as at the beginning. */
  readonly state: string | null
}

/** The columns that change; an update writes them all. */
export interface TaskChange
  extends Pick<TaskRow, 'status' | 'lane' | 'rank' | 'dueAt' | 'closedAt' | 'state'> {
  /** In each change of a task that has a key, and in none of another: absent, the column stays as it is. */
  readonly dedupe?: string | null
}

export interface TaskKey {
  readonly namespace: string
  readonly id: string
}

/** A key that tasks may hold. */
export interface HeldKey {
  readonly namespace: string
  readonly dedupe: string
}

/** Holders of one key that are looked at: more than one has it only after retries. */
export const KEY_HOLDERS_MAX = 8

export interface LaneCount extends QueueKey {
  readonly lane: string
  readonly waiting: number
}

export interface WaitingPage extends QueueKey {
  readonly lane: string
  readonly after: { readonly rank: number; readonly seq: TaskSeq }
  readonly limit: number
}

export interface DuePage {
  readonly after: { readonly dueAt: number; readonly seq: TaskSeq }
  readonly upToMs: number
  readonly limit: number
}

export interface TaskListQuery {
  readonly namespace?: string
  readonly queue?: string
  readonly name?: string
  readonly status?: readonly TaskStatus[]
  /** Only closed ones that closed before this time, ms. */
  readonly closedBefore?: number
  /** As they are in the spec: the key of the task, the id of the workflow that asked for it, bounds of its enqueueing, ms. */
  readonly key?: string
  readonly owner?: string
  readonly enqueuedFrom?: number
  readonly enqueuedTo?: number
  /** Code of its last failure. */
  readonly errorCode?: string
  /** What its id begins with, given by a caller or made of its number. */
  readonly idPrefix?: string
  /** None with a lower number: so that a list does not look at all that is older. */
  readonly seqFrom?: TaskSeq
  /** Newest first, from this one on, which is not given itself. */
  readonly before?: TaskSeq
  /** Oldest first instead, then `before` means after. */
  readonly oldestFirst?: boolean
  readonly limit: number
}

/** What the engine reads of tasks. */
export interface TaskReads {
  /** The highest number of any task; 0 without tasks. */
  lastTaskSeq(): Promise<TaskSeq>
  /** In the order asked. */
  tasks(seqs: readonly TaskSeq[]): Promise<readonly (TaskRow | undefined)[]>
  /** Numbers of tasks by their ids, in the order asked. */
  taskSeqs(keys: readonly TaskKey[]): Promise<readonly (TaskSeq | undefined)[]>
  /** Tasks that hold each key, newest first, at most `KEY_HOLDERS_MAX`; in the order asked. */
  keyHolders(keys: readonly HeldKey[]): Promise<readonly (readonly TaskSeq[])[]>
  /** How many tasks of the namespace wait, are delayed, or run; those beyond `most` are not counted. */
  countOpenTasks(namespace: string, most: number): Promise<number>
  /** How many wait in each lane; lanes in which none waits are left out. In no order. */
  lanes(): Promise<readonly LaneCount[]>
  /** Waiting tasks of a lane after the position, in order of (rank, seq). */
  waiting(page: WaitingPage): Promise<readonly TaskRow[]>
  /** Tasks due up to `upToMs` inclusive, after the position, in order of (due, seq). */
  dueTasks(page: DuePage): Promise<readonly TaskRow[]>
  listTasks(query: TaskListQuery): Promise<readonly TaskRow[]>
}

/** What the texts of a task say that lists go by. */
export interface TaskFacts {
  readonly key: string
  readonly workflowId: string | undefined
  readonly enqueuedMs: number
  readonly errorCode: string | undefined
}

/** @param facts asked for only where the query is about them: they cost reading JSON */
export function isTaskListed(
  row: Pick<TaskRow, 'seq' | 'id' | 'namespace' | 'queue' | 'name' | 'status' | 'closedAt'>,
  query: Omit<TaskListQuery, 'limit'>,
  facts: () => TaskFacts,
): boolean {
  if (query.namespace !== undefined && row.namespace !== query.namespace) return false
  if (query.queue !== undefined && row.queue !== query.queue) return false
  if (query.name !== undefined && row.name !== query.name) return false
  if (query.status !== undefined && !query.status.includes(row.status)) return false
  if (query.seqFrom !== undefined && row.seq < query.seqFrom) return false
  if (query.closedBefore !== undefined && !(row.closedAt !== null && row.closedAt < query.closedBefore))
    return false
  if (query.idPrefix !== undefined && !(row.id ?? ownTaskId(row.seq)).startsWith(query.idPrefix)) return false
  return !asksForFacts(query) || hasFacts(query, facts())
}

function asksForFacts(query: Omit<TaskListQuery, 'limit'>): boolean {
  const { key, owner, errorCode, enqueuedFrom, enqueuedTo } = query
  return [key, owner, errorCode, enqueuedFrom, enqueuedTo].some((each) => each !== undefined)
}

function hasFacts(query: Omit<TaskListQuery, 'limit'>, facts: TaskFacts): boolean {
  const { key, owner, errorCode, enqueuedFrom = 0, enqueuedTo = Number.POSITIVE_INFINITY } = query
  if (key !== undefined && facts.key !== key) return false
  if (owner !== undefined && facts.workflowId !== owner) return false
  if (errorCode !== undefined && facts.errorCode !== errorCode) return false
  return facts.enqueuedMs >= enqueuedFrom && facts.enqueuedMs < enqueuedTo
}

export function taskFactsOf({ key, owner, enqueuedMs }: TaskSpec, { failure }: TaskState): TaskFacts {
  return { key: key ?? '', workflowId: owner?.workflowId, enqueuedMs, errorCode: failure?.code }
}

export function taskFactsOfRow({ spec, state }: Pick<TaskRow, 'spec' | 'state'>): TaskFacts {
  return taskFactsOf(JSON.parse(spec) as TaskSpec, state === null ? {} : (JSON.parse(state) as TaskState))
}
