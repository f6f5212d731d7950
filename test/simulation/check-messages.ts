/** Signals and children: what travels between executions. */
import { isDeepStrictEqual } from 'node:util'
import type { Event } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { decodePayload } from '../../src/protocol/payload.ts'
import type { Journal, Journals } from './journals.ts'
import type { Replayed } from './replay-journals.ts'

type Report = (violation: string) => void
type EventOf<T extends Event['type']> = Extract<Event, { type: T }>

/** I7: each signal once, handed out in order of acceptance, and what is left goes on to the next run. */
export function checkSignals(
  journal: Journal,
  { byRun }: Journals,
  replayed: Replayed | undefined,
  report: Report,
): void {
  const { runId, events, end } = journal
  const requestIds = new Set<string>()
  const accepted: EventOf<'signal-received'>[] = []
  for (const event of events) {
    if (event.type !== 'signal-received') continue
    accepted.push(event)
    const { requestId } = event
    if (requestId === undefined) continue
    if (requestIds.has(requestId)) report(`I7: ${runId} accepted signal ${requestId} twice`)
    requestIds.add(requestId)
  }
  for (const [name, ids] of replayed?.consumed ?? []) {
    const ofName = accepted
      .filter((event) => event.name === name)
      .map(({ payload }) => decodePayload(payload))
    if (!isDeepStrictEqual(ofName.slice(0, ids.length), [...ids]))
      report(`I7: ${runId} accepted ${name} ${ofName.join()} and consumed ${ids.join()}`)
  }
  if (end?.type !== 'execution-continued') return
  const next = byRun.get(end.newRunId)
  if (next === undefined) {
    report(`${runId} is continued by ${end.newRunId}, which does not exist`)
    return
  }
  // Code that goes on after the end, such as the loser of a race, consumes nothing any more.
  const commands = replayed?.report?.commands ?? []
  const atEnd = commands.findIndex(({ kind }) => kind === 'continue')
  const consumed = new Set(
    commands.slice(0, atEnd).map((command) => (command.kind === 'consume' ? command.seq : 0)),
  )
  const left = events.filter((event, i) => event.type === 'signal-received' && !consumed.has(i + 1))
  const carried = next.events.slice(1, 1 + left.length)
  const isSame = left.every((event, i) => {
    const other = carried[i]
    return (
      other?.type === 'signal-received' &&
      event.type === 'signal-received' &&
      other.name === event.name &&
      isDeepStrictEqual(other.payload, event.payload)
    )
  })
  if (!isSame) report(`I7: ${end.newRunId} lacks signals that ${runId} had not consumed`)
}

/** A child that was asked for was started, and its parent was told how it ended, unless that was its own doing. */
export function checkChildren({ runId, id, events, end }: Journal, { byId }: Journals, report: Report): void {
  const children = new Map<number, EventOf<'child-started'>>()
  for (const event of events) {
    if (event.type === 'child-started') children.set(event.op, event)
    if (event.type !== 'child-completed' && event.type !== 'child-failed') continue
    const child = children.get(event.op)
    if (child === undefined) continue
    children.delete(event.op)
    const runs = byId.get(child.key.workflowId) ?? []
    const isTold =
      event.type === 'child-completed'
        ? runs.some(
            (run) =>
              run.end?.type === 'execution-completed' && isDeepStrictEqual(run.end.result, event.result),
          )
        : runs.some((run) => run.events.some(({ type }) => FAILURES.has(type))) ||
          event.failure.cause?.code === 'EXECUTION_EXISTS' ||
          // It ended while its parent was closed, and another start took its id before the parent was retried.
          (event.failure.cause?.code === 'EXECUTION_NOT_FOUND' && runs.some((run) => !isChildOf(run, runId)))
    if (event.type === 'child-failed' && event.failure.cause?.message === `parent ${id} has closed`)
      report(`${runId} was told that its own end has ended its child ${child.key.workflowId}`)
    if (!isTold)
      report(`${runId} was told of its child ${child.key.workflowId}: ${event.type}, which is not so`)
  }
  if (end === undefined) return
  for (const [op, child] of children) {
    // Refused if another one has its id: then the parent may have ended before it was told.
    if (!byId.has(child.key.workflowId))
      report(`${runId} asked for child ${child.key.workflowId} (${op}), which was never started`)
  }
}

function isChildOf({ events: [first] }: Journal, runId: RunId): boolean {
  return first?.type === 'execution-started' && first.parent?.runId === runId
}

const FAILURES: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'execution-failed',
  'execution-cancelled',
  'execution-terminated',
  'execution-timed-out',
])
