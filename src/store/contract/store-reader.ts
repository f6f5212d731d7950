/** What tools read of a store, also while an engine runs on it. Nothing is written, and no engine waits for it. */
import type { RunId } from '../../protocol/ids.ts'
import type { TimerKey, TimerRow } from './rows.ts'
import type { Store } from './store.ts'

/** Rows that a store of an older version may lack. */
export type LaterRows = 'tasks' | 'schedules' | 'queues' | 'human tasks' | 'registry' | 'audit'

export interface StoreReader
  extends Pick<
    Store,
    | 'currents'
    | 'executions'
    | 'journal'
    | 'lastEntry'
    | 'list'
    | 'lanes'
    | 'tasks'
    | 'taskSeqs'
    | 'listTasks'
    | 'listSchedules'
    | 'queueSettings'
    | 'humanTasks'
    | 'registryRows'
    | 'auditRows'
    | 'auditSessions'
    | 'auditHeads'
  > {
  /** Why these rows cannot be read, in words; undefined: they can. */
  lacks(rows: LaterRows): string | undefined
  /** Timers of one run, in order of their ids. */
  timersOf(runId: RunId): Promise<readonly (TimerKey & Pick<TimerRow, 'dueAt'>)[]>
  /** An engine has the store open now. */
  isEngineRunning(): Promise<boolean>
  close(): Promise<void>
}
