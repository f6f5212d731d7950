/** I13: a journal, replayed from scratch, gives the summary that the store has, and the end that was recorded. */
import { isDeepStrictEqual } from 'node:util'
import { evolve } from '../../src/core/execution/evolve.ts'
import { emptyState } from '../../src/core/execution/state.ts'
import type { Journal } from './journals.ts'
import type { Replayed } from './replay-journals.ts'

type Report = (violation: string) => void

export function checkReplay(journal: Journal, replayed: Replayed | undefined, report: Report): void {
  checkSummary(journal, report)
  const { runId, end, events } = journal
  const last = replayed?.report
  if (replayed === undefined || last === undefined) {
    report(`I13: the replay of ${runId} reports nothing`)
    return
  }
  if (last.parked !== undefined) {
    report(`I13: the replay of ${runId} ends with ${last.parked.code}: ${last.parked.message}`)
    return
  }
  const first = events[0]
  const isDelayed = first?.type === 'execution-started' && (first.notBefore ?? 0) >= (end?.at ?? 0)
  const command = last.commands.find(({ kind }) =>
    ['complete', 'fail', 'cancelled', 'continue'].includes(kind),
  )
  switch (end?.type) {
    case 'execution-completed':
      if (command?.kind !== 'complete' || !isDeepStrictEqual(command.result, end.result))
        report(
          `I13: ${runId} completed with another result: ${JSON.stringify(end.result)} in the journal, ${JSON.stringify(command)} in replay`,
        )
      return
    case 'execution-failed':
      if (command?.kind !== 'fail' || command.failure.message !== end.failure.message)
        report(
          `I13: ${runId} failed with ${end.failure.message}, in replay it ends with ${JSON.stringify(command)}`,
        )
      return
    case 'execution-cancelled':
      if (command?.kind !== 'cancelled' && !isDelayed)
        report(`I13: ${runId} was cancelled, in replay it ends with ${JSON.stringify(command)}`)
      return
    case 'execution-continued':
      if (command?.kind !== 'continue' || !isDeepStrictEqual(command.input, end.input))
        report(`I13: ${runId} was continued, in replay it ends with ${JSON.stringify(command)}`)
      return
    default:
      return
  }
}

function checkSummary({ runId, events, dump }: Journal, report: Report): void {
  const state = emptyState(runId)
  for (const event of events) evolve(state, event)
  const { row } = dump
  if (row === undefined) return
  const { key, workflow, version, status, startedAt, closedAt, attributes } = state
  const expected = { key, workflow, version, status, startedAt, closedAt, attributes }
  const found = {
    key: row.key,
    workflow: row.workflow,
    version: row.version,
    status: row.status,
    startedAt: row.startedAt,
    closedAt: row.closedAt,
    attributes: row.attributes,
  }
  if (!isDeepStrictEqual(found, expected))
    report(
      `I13: the summary of ${runId} is ${JSON.stringify(found)}, its journal gives ${JSON.stringify(expected)}`,
    )
}
