/** What a simulation writes down, and all that the checker judges by. */
import type { Event } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, TimerRow } from '../../src/store/contract/rows.ts'

/** A client got an answer. */
export interface Acknowledgement {
  readonly atMs: number
  readonly call: string
  readonly id: string
  /** Whether the database held what the answer says, when it was given. */
  readonly isDurable: boolean
  /** What must be there after all is over. */
  readonly promise:
    | { readonly kind: 'started'; readonly runId: RunId }
    | { readonly kind: 'signal'; readonly requestId: string }
    | { readonly kind: 'update'; readonly updateId: string; readonly result: string }
    | { readonly kind: 'result'; readonly runId: RunId | undefined; readonly text: string }
    | { readonly kind: 'event'; readonly type: Event['type'] }
    | { readonly kind: 'none' }
}

/** A call of a step function: something happened outside. */
export interface StepCall {
  readonly atMs: number
  readonly runId: RunId
  readonly op: number
  readonly attempt: number
  readonly maxAttempts: number
  /** Events of the run that the database held at that instant. */
  readonly durableSeq: number
  /** Somebody else owned the run by then, and whoever called it did not know. */
  readonly isOutdated: boolean
  /** What it answered, once it did. */
  marker: string | undefined
}

export interface HistoryRead {
  readonly runId: RunId
  /** JSON of the events, from the first one on. */
  readonly events: readonly string[]
}

/** The engine was down, or the store did not answer. */
export interface Outage {
  readonly fromMs: number
  readonly toMs: number
}

export interface RunDump {
  readonly runId: RunId
  readonly row: ExecutionRow | undefined
  readonly entries: readonly JournalEntry[]
  readonly timers: readonly TimerRow[]
}

export interface StoreDump {
  readonly runs: readonly RunDump[]
  readonly outbox: readonly OutboxRow[]
  readonly currents: ReadonlyMap<string, RunId>
}

export interface Facts {
  readonly acknowledgements: readonly Acknowledgement[]
  readonly ledger: readonly StepCall[]
  /** What tasks of executions have answered. */
  readonly taskMarkers: ReadonlySet<string>
  readonly reads: readonly HistoryRead[]
  readonly outages: readonly Outage[]
  readonly dump: StoreDump
  /** Ids that a start may have given to a further run: it replaces the old one, or brings a signal. */
  readonly contestedIds: ReadonlySet<string>
  /** Several nodes give run ids, each by its own clock; and what is asked again may have been done before. */
  readonly isClustered: boolean
  /** Clocks of instances differ by at most this. */
  readonly skewMs: number
  /** How late a timer may fire while process and store are well. */
  readonly latenessMs: number
}
