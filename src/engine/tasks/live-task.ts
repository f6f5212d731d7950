/** A task in memory: while it is in the window of its queue, runs, or has changes that are not committed. */
import type { LaneName } from '../../core/queue/lane.ts'
import { parseLaneName } from '../../core/queue/lane.ts'
import type { PolicyTask } from '../../core/queue/policy.ts'
import type { QueuedTask, TaskPlace, TaskQueue } from '../../core/queue/task-queue.ts'
import { isKeyHeld, keyTextOf } from '../../core/task/task-key.ts'
import {
  dueMs,
  LOSSES_MAX,
  type TaskRecord,
  type TaskSpec,
  type TaskState,
} from '../../core/task/task-record.ts'
import type { RunId } from '../../protocol/ids.ts'
import { ownTaskId } from '../../protocol/task-ids.ts'
import { TASK_PRIORITY } from '../../protocol/task-port.ts'
import { isTaskClosed } from '../../protocol/task-status.ts'
import type { TaskChange, TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import type { TaskSeries } from '../metrics/task-metrics.ts'
import { NO_RUN } from '../no-run.ts'
import type { CrewMember } from '../workers/crew-member.ts'
import type { QueueCrew } from '../workers/queue-crew.ts'
import { classIdOf } from '../workers/task-class.ts'
import type { TaskBatch } from './task-batch.ts'

export interface TaskHead {
  readonly seq: TaskSeq
  readonly namespace: string
  /** As the caller gave it. */
  readonly givenId: string | null
  readonly queue: string
  readonly partition: number
  readonly name: string
}

export class LiveTask implements QueuedTask {
  readonly head: TaskHead
  readonly seq: TaskSeq
  readonly spec: TaskSpec
  /** Of deduplication or debouncing; undefined: none. */
  readonly keyText: string | undefined
  record: TaskRecord
  closedAt: number | null
  lane: LaneName
  rank: number
  chargeMs: number
  /** The newest batch that holds a change of it. */
  batch: TaskBatch<LiveTask> | undefined
  /** Reads of the store that had begun when it was committed last: see `TaskMemory`. */
  readsBegun = 0
  /** Where it belongs; looked up once. */
  queue: TaskQueue<LiveTask> | undefined
  /** Who runs it, while it runs, and for which queue. */
  member: CrewMember<LiveTask> | undefined
  crew: QueueCrew<LiveTask> | undefined
  /** The worker knows of it: what it derives from is committed. */
  isStarted = false
  /** Its last end is counted in the metrics; of one that was read as closed it was. */
  isEndCounted: boolean
  /** Where what is observed of it goes; looked up once. */
  series: TaskSeries | undefined
  /** When its running attempt began, ms: by the clock that only counts on, for how long it runs. */
  startedMs = 0
  /** The same by engine time, for people: only when it has ended is it in the record. */
  startedAtMs = 0
  #about: PolicyTask | undefined

  constructor(head: TaskHead, spec: TaskSpec, record: TaskRecord, place: TaskPlace, closedAt: number | null) {
    this.head = head
    this.seq = head.seq
    this.spec = spec
    this.keyText = keyTextOf(head.name, spec)
    this.record = record
    this.lane = place.lane
    this.rank = place.rank
    this.chargeMs = place.chargeMs
    this.closedAt = closedAt
    this.isEndCounted = this.isClosed
  }

  /** What policies are told. */
  get about(): PolicyTask {
    this.#about ??= aboutOf(this.head, this.spec, this.record.state)
    return this.#about
  }

  get id(): string {
    return this.head.givenId ?? ownTaskId(this.seq)
  }

  /** Whose changes those of the task belong to: those of the execution that asked for it, or nobody's. */
  get runId(): RunId {
    return this.spec.owner?.runId ?? NO_RUN
  }

  get isClosed(): boolean {
    return isTaskClosed(this.record.status)
  }

  get isCommitted(): boolean {
    return this.batch === undefined || this.batch.open.isDone
  }

  holdsKey(nowMs: number): boolean {
    return isKeyHeld(this.record, this.spec, nowMs)
  }

  moved({ lane, rank, chargeMs }: TaskPlace): void {
    this.lane = lane
    this.rank = rank
    this.chargeMs = chargeMs
    this.#about = undefined
  }

  change(): TaskChange {
    const { record, closedAt } = this
    const change = {
      status: record.status,
      lane: this.lane.text,
      rank: this.rank,
      dueAt: dueMs(record, this.spec),
      closedAt,
      state: stateText(record.state),
    }
    return this.keyText === undefined ? change : { ...change, dedupe: this.heldKey }
  }

  /** Of a closed one the window may go on; what holds a key no longer is out of its index. */
  private get heldKey(): string | null {
    return this.keyText !== undefined && this.holdsKey(this.closedAt ?? 0) ? this.keyText : null
  }

  row(): TaskRow {
    const { seq, namespace, givenId: id, queue, partition, name } = this.head
    const { heldKey: dedupe } = this
    const spec = JSON.stringify(this.spec)
    return { seq, namespace, id, queue, partition, name, ...this.change(), dedupe, spec }
  }
}

/** A row and the name of its lane, as the store has them. The policy of `home` says what it charges, which is not stored. */
export function taskOfRow(row: TaskRow, home: TaskQueue<LiveTask>, known?: LaneName): LiveTask {
  const { seq, namespace, id: givenId, queue, partition, name, status, lane, rank, closedAt } = row
  const head = { seq, namespace, givenId, queue, partition, name }
  const spec = JSON.parse(row.spec) as TaskSpec
  const state = row.state === null ? {} : (JSON.parse(row.state) as TaskState)
  const chargeMs =
    home.policy.flows === undefined ? 0 : home.policy.place(aboutOf(head, spec, state)).chargeMs
  const place = { lane: known ?? parseLaneName(lane), rank, chargeMs }
  const task = new LiveTask(head, spec, { status, state }, place, closedAt)
  task.queue = home
  return task
}

export function aboutOf({ seq, name }: TaskHead, spec: TaskSpec, state: TaskState): PolicyTask {
  return {
    name,
    key: spec.key ?? '',
    priority: state.priority ?? spec.priority ?? TASK_PRIORITY.default,
    estimateMs: spec.estimateMs,
    enqueuedMs: spec.enqueuedMs,
    order: state.order ?? seq,
  }
}

/** Which workers can run it. */
export function classOf({ name }: TaskHead, { requires }: TaskSpec, { losses = 0 }: TaskState): string {
  return classIdOf({ name, requires, isLastChance: losses === LOSSES_MAX - 1 })
}

/** A key for ids that callers gave. */
export function taskIdText(namespace: string, id: string): string {
  return `${namespace}\0${id}`
}

function stateText(state: TaskState): string | null {
  for (const _ in state) return JSON.stringify(state)
  return null
}
