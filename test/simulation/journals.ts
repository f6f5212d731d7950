/** The journals of a dump, read on their own: no code of the engine decides here what is right. */
import { isDeepStrictEqual } from 'node:util'
import { type Event, isTerminal, type TerminalEvent } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { decodePayload } from '../../src/protocol/payload.ts'
import type { RunDump, StoreDump } from './facts.ts'

export interface Journal {
  readonly runId: RunId
  readonly id: string
  readonly dump: RunDump
  readonly events: readonly Event[]
  /** The terminal event that stands. */
  readonly end: TerminalEvent | undefined
}

export interface Journals {
  readonly byRun: ReadonlyMap<RunId, Journal>
  readonly byId: ReadonlyMap<string, readonly Journal[]>
}

export function journalsOf(dump: StoreDump, report: (violation: string) => void): Journals {
  const byRun = new Map<RunId, Journal>()
  const byId = new Map<string, Journal[]>()
  for (const run of dump.runs) {
    const journal = journalOf(run, report)
    if (journal === undefined) continue
    byRun.set(run.runId, journal)
    const others = byId.get(journal.id)
    if (others === undefined) byId.set(journal.id, [journal])
    else others.push(journal)
  }
  return { byRun, byId }
}

function journalOf(dump: RunDump, report: (violation: string) => void): Journal | undefined {
  const { runId, row, entries } = dump
  const events: Event[] = []
  for (const entry of entries) {
    if (entry.seq !== events.length + 1)
      report(`journal of ${runId} has entry ${entry.seq} after ${events.length} events: it must be gapless`)
    const part = JSON.parse(entry.events) as Event[]
    if (part.length !== entry.count)
      report(`entry ${entry.seq} of ${runId} counts ${entry.count}, has ${part.length}`)
    events.push(...part)
  }
  if (row === undefined) report(`run ${runId} has a journal or timers and no summary`)
  const first = events[0]
  if (first?.type !== 'execution-started') {
    report(`I1: the journal of ${runId} begins with ${first?.type ?? 'nothing'}`)
    return undefined
  }
  for (let i = 1; i < events.length; i++) {
    if ((events[i]?.at ?? 0) < (events[i - 1]?.at ?? 0))
      report(`event ${i + 1} of ${runId} is older than the one before`)
  }
  return { runId, id: first.key.workflowId, dump, events, end: standingEnd(runId, events, report) }
}

/** I8: one terminal event stands, and nothing follows it but what withdraws it. */
function standingEnd(
  runId: RunId,
  events: readonly Event[],
  report: (violation: string) => void,
): TerminalEvent | undefined {
  let end: TerminalEvent | undefined
  let endSeq = 0
  for (const [i, event] of events.entries()) {
    if (end !== undefined) {
      const withdraws =
        event.type === 'execution-reopened' && event.failedSeq === endSeq && end.type === 'execution-failed'
      if (!withdraws) report(`I8: ${runId} has ${event.type} (${i + 1}) after ${end.type}`)
      end = undefined
    }
    if (!isTerminal(event)) continue
    end = event
    endSeq = i + 1
  }
  return end
}

/** What the journal says of one operation, up to an event, without what was withdrawn. */
export interface OperationHistory {
  failedAttempts: number
  isCompleted: boolean
}

export function operationUpTo(journal: Journal, op: number, seq: number): OperationHistory {
  const history: OperationHistory = { failedAttempts: 0, isCompleted: false }
  for (const event of journal.events.slice(0, seq)) {
    if (event.type === 'execution-reopened' && event.op === op) {
      history.failedAttempts = 0
      history.isCompleted = false
    } else if (!('op' in event) || event.op !== op) continue
    else if (event.type === 'step-attempt-failed') history.failedAttempts = event.attempt
    else if (event.type === 'step-completed' || event.type === 'step-failed') history.isCompleted = true
  }
  return history
}

/** Whether a terminal event is what a client was told. */
export function isEnd(event: Event, text: string): boolean {
  if (event.type !== 'execution-completed') return event.type === `execution-${text}`
  return text.startsWith('[') && isDeepStrictEqual(decodePayload(event.result), JSON.parse(text))
}
