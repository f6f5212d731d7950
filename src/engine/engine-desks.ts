/** The desks of an engine, each with what it needs of it. */
import type { Clock } from '../platform/clock.ts'
import type { TaskOutcome } from '../protocol/task-port.ts'
import type { TaskSeq } from '../store/contract/task-rows.ts'
import type { AuditDesk } from './audit/audit-desk.ts'
import { ownReads, type ReadingEngine } from './cluster/own-reads.ts'
import type { Committer } from './committer.ts'
import type { EngineOptions } from './engine-options.ts'
import { reportTask, type TaskingEngine } from './engine-tasks.ts'
import type { LiveTable } from './live-table.ts'
import { ScheduleDesk } from './schedules/schedule-desk.ts'
import { taskOutcomeOf } from './tasks/task-description.ts'
import { TaskDesk } from './tasks/task-desk.ts'
import type { Transitions } from './transitions.ts'
import type { Waiters } from './waiters.ts'

/** What desks need of the engine. */
export interface DeskEngine extends TaskingEngine, ReadingEngine {
  readonly options: EngineOptions
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly taskEnds: Waiters<TaskSeq, TaskOutcome>
  readonly isRunning: boolean
  readonly audit: AuditDesk | undefined
  fail(error: unknown): void
}

/** @param clock that of the session which the engine has at the time */
export function taskDeskOf(engine: DeskEngine, clock: Clock): TaskDesk {
  const { committer, ownership } = engine
  const { store, logger, random, designs, timerLookaheadMs, metrics } = engine.options
  return new TaskDesk({
    store,
    own: ownReads(engine),
    logger,
    committer,
    ownership,
    clock,
    random,
    designs,
    timerLookaheadMs,
    onClosed: (task) => engine.taskEnds.tell(task.seq, taskOutcomeOf(task.record)),
    onReport: (task, owner) => reportTask(engine, task, owner),
    onError: (error) => engine.fail(error),
    isDraining: () => !engine.isRunning,
    metrics,
  })
}

export function scheduleDeskOf(engine: DeskEngine, clock: Clock): ScheduleDesk {
  const { table, committer, transitions, ownership, mailbox } = engine
  const { store, logger, timerLookaheadMs, metrics } = engine.options
  return new ScheduleDesk({
    store,
    clock,
    logger,
    table,
    committer,
    transitions,
    ownership,
    mailbox,
    newRunId: () => engine.newRunId(),
    audit: () => engine.audit,
    timerLookaheadMs,
    metrics: metrics?.timers,
    onError: (error) => engine.fail(error),
    isDraining: () => !engine.isRunning,
  })
}
