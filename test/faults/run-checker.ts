/** Checks one run on its own: its journal, and its summary against its last event. */
import type { FileEvent, FileRun } from './file-reader.ts'
import { MAX_ATTEMPTS } from './mixed-cases.ts'

const STATUS_BY_END: Readonly<Record<string, string>> = {
  'execution-completed': 'completed',
  'execution-failed': 'failed',
  'execution-cancelled': 'cancelled',
  'execution-terminated': 'terminated',
  'execution-timed-out': 'timed-out',
  'execution-continued': 'continued',
}

const COMPLETIONS = new Set([
  'step-completed',
  'step-failed',
  'timer-fired',
  'child-completed',
  'child-failed',
])
const RECORDS = new Set(['timer-started', 'child-started', 'child-signalled', 'attributes-set'])

type Report = (what: string) => void

export function endOf(
  run: FileRun,
): { readonly status: string; readonly result: string | undefined } | undefined {
  const last = run.events.at(-1)
  const status = STATUS_BY_END[last?.type ?? '']
  if (last === undefined || status === undefined) return undefined
  const { result } = last
  return { status, result: Array.isArray(result) ? JSON.stringify(result[3]) : undefined }
}

export function checkRun(run: FileRun, report: Report): void {
  const { events } = run
  if (events[0]?.type !== 'execution-started') report(`I4: the first event is ${events[0]?.type}`)
  let at = 0
  for (const event of events) {
    if (event.at < at) report(`I6: event ${event.seq} is older than the one before it`)
    at = event.at
    if (event.seq > 1 && event.type === 'execution-started') report('I4: it started twice')
  }
  checkEnd(events, report)
  checkOperations(events, report)
  checkRequests(events, report)
  checkSummary(run, report)
}

function checkEnd(events: readonly FileEvent[], report: Report): void {
  const withdrawn = new Set(
    events.flatMap((event) => (event.type === 'execution-reopened' ? [event.failedSeq] : [])),
  )
  const standing = events.filter((event) => event.type in STATUS_BY_END && !withdrawn.has(event.seq))
  if (standing.length !== 1) report(`I8: ${standing.length} terminal events stand`)
  if (standing[0] !== undefined && standing[0] !== events.at(-1))
    report(`I8: event ${standing[0].seq} ended it, and ${events.length} events are there`)
  for (const seq of withdrawn) {
    const [failed, next] = [events[Number(seq) - 1], events[Number(seq)]]
    if (failed?.type !== 'execution-failed' || next?.type !== 'execution-reopened')
      report(`I8: event ${seq} was withdrawn, and is ${failed?.type} followed by ${next?.type}`)
  }
}

function checkOperations(events: readonly FileEvent[], report: Report): void {
  const completed = new Set<unknown>()
  const recorded = new Set<string>()
  const attempts = new Map<unknown, number>()
  const dueAt = new Map<unknown, number>()
  for (const event of events) {
    const { op, type, seq } = event
    if (type === 'execution-reopened') {
      completed.delete(op)
      attempts.delete(op)
    }
    if (RECORDS.has(type)) {
      if (recorded.has(`${type} ${op}`)) report(`I3: operation ${op} has ${type} twice`)
      recorded.add(`${type} ${op}`)
      if (type === 'timer-started') dueAt.set(op, Number(event.dueAt))
    }
    if (type === 'step-attempt-failed' || type === 'step-failed') {
      const attempt = Number(event.attempt)
      if (completed.has(op)) report(`I3: operation ${op} failed after its completion`)
      if (attempt !== (attempts.get(op) ?? 0) + 1)
        report(`I3: event ${seq} is attempt ${attempt} of operation ${op}`)
      if (attempt > (MAX_ATTEMPTS[String(event.name)] ?? 1))
        report(`I3: operation ${op} had attempt ${attempt}`)
      attempts.set(op, attempt)
    }
    if (COMPLETIONS.has(type)) {
      if (completed.has(op)) report(`I3: operation ${op} completed twice`)
      completed.add(op)
    }
    if (type === 'timer-fired') {
      const due = dueAt.get(op)
      if (due === undefined || event.at < due) report(`I6: timer ${op}, due at ${due}, fired at ${event.at}`)
    }
  }
}

function checkRequests(events: readonly FileEvent[], report: Report): void {
  const seen = new Set<string>()
  for (const { type, requestId, updateId } of events) {
    const request = type === 'signal-received' ? requestId : type.startsWith('update-') ? updateId : undefined
    if (request === undefined) continue
    if (seen.has(`${type} ${request}`)) report(`I7: ${type} ${request} is there twice`)
    seen.add(`${type} ${request}`)
    if (type === 'update-completed' && !seen.has(`update-accepted ${request}`))
      report(`I7: update ${request} was answered before it was accepted`)
  }
}

function checkSummary(run: FileRun, report: Report): void {
  const [first, last] = [run.events[0], run.events.at(-1)]
  const end = endOf(run)
  if (run.status !== end?.status) report(`I12: the summary says ${run.status}, the journal ${end?.status}`)
  if (end !== undefined && run.active) report('I12: the summary says that it runs')
  if (end !== undefined && run.closedAt !== last?.at)
    report(`I12: the summary says closed at ${run.closedAt}, the journal ${last?.at}`)
  if (run.startedAt !== first?.at)
    report(`I12: the summary says started at ${run.startedAt}, not ${first?.at}`)
  let attributes: Record<string, unknown> | null = (first?.attributes ?? null) as Record<
    string,
    unknown
  > | null
  for (const event of run.events) {
    if (event.type === 'attributes-set') attributes = { ...attributes, ...(event.values as object) }
  }
  if (JSON.stringify(run.attributes) !== JSON.stringify(attributes))
    report(`I12: the summary has the attributes ${JSON.stringify(run.attributes)}`)
}
