/**
 * Judges a simulation by what was written down: answers to clients, the journal that is left, and the ledger of what
 * happened outside. It changes nothing and remembers nothing: the same facts give the same judgement.
 *
 * I1 an answered start exists · I2 a recorded result never changes · I3 at most one completion per operation · I6 timers
 * are never early, and late only by what the store and the process were away · I7 signals once each, in order of
 * acceptance · I8 one terminal event, nothing after it · I9 reads of a history are prefixes of it · I13 replay gives the
 * same end · I14 all work ends. I14 is also judged while the simulation runs: calls must be answered.
 */

import { decodePayload } from '../../src/protocol/payload.ts'
import { checkChildren, checkSignals } from './check-messages.ts'
import { checkLedger, checkOperations, checkTaskResults, checkTimers } from './check-operations.ts'
import { checkReplay } from './check-replay.ts'
import type { Acknowledgement, Facts } from './facts.ts'
import { isEnd, type Journal, type Journals, journalsOf } from './journals.ts'
import { replayJournals } from './replay-journals.ts'

/** Who cancels again what has ended meanwhile is told that it is done. */
const ENDS: ReadonlySet<string> = new Set([
  'execution-completed',
  'execution-failed',
  'execution-cancelled',
  'execution-terminated',
  'execution-timed-out',
])

/** A seed that goes wrong goes wrong often: so many violations are enough. */
const VIOLATIONS_LIMIT = 30

export async function check(facts: Facts): Promise<string[]> {
  const violations: string[] = []
  const report = (violation: string): void => {
    if (violations.length < VIOLATIONS_LIMIT) violations.push(violation)
  }
  const journals = journalsOf(facts.dump, report)
  for (const acknowledgement of facts.acknowledgements) checkAnswer(acknowledgement, journals, facts, report)
  checkReads(facts, journals, report)
  checkEnds(facts, journals, report)
  for (const [id, runs] of journals.byId) checkOneRun(id, runs, facts, report)
  const replayed = await replayJournals(journals.byRun.values())
  for (const journal of journals.byRun.values()) {
    checkOperations(journal, report)
    checkTimers(journal, facts, report)
    checkTaskResults(journal, facts, report)
    checkReplay(journal, replayed.get(journal.runId), report)
    checkSignals(journal, journals, replayed.get(journal.runId), report)
    checkChildren(journal, journals, report)
  }
  checkLedger(facts.ledger, journals, replayed, report)
  return violations
}

function checkAnswer(
  answer: Acknowledgement,
  journals: Journals,
  { isClustered }: Facts,
  report: (violation: string) => void,
): void {
  const { call, id, promise, atMs } = answer
  if (!answer.isDurable) report(`I1: ${call} ${id} was answered at ${atMs} before the commit of what it says`)
  const events = (journals.byId.get(id) ?? []).flatMap((journal) => journal.events)
  const isKept = (): boolean => {
    switch (promise.kind) {
      case 'started':
        return journals.byRun.get(promise.runId)?.id === id
      case 'signal':
        return events.some(
          (event) => event.type === 'signal-received' && event.requestId === promise.requestId,
        )
      case 'update':
        return events.some(
          (event) =>
            event.type === 'update-completed' &&
            event.updateId === promise.updateId &&
            event.result !== undefined &&
            decodePayload(event.result) === promise.result,
        )
      case 'result':
        return events.some((event) => isEnd(event, promise.text))
      case 'event':
        return events.some(({ type }) => type === promise.type || (isClustered && ENDS.has(type)))
      case 'none':
        return true
    }
  }
  if (!isKept())
    report(`I1/I2: the journal lacks what ${call} ${id} was answered: ${JSON.stringify(promise)}`)
}

/** I9: each read is a prefix of the history that is left, and so of every longer read. */
function checkReads({ reads }: Facts, journals: Journals, report: (violation: string) => void): void {
  for (const { runId, events } of reads) {
    const journal = journals.byRun.get(runId)
    const differs = events.findIndex((text, i) => text !== JSON.stringify(journal?.events[i]))
    if (differs >= 0) report(`I9: a read of ${runId} had another event ${differs + 1}: ${events[differs]}`)
  }
}

/** One id has one open run at a time, and a start that is repeated starts nothing new. */
function checkOneRun(
  id: string,
  runs: readonly Journal[],
  { contestedIds, isClustered }: Facts,
  report: (violation: string) => void,
): void {
  // Nodes with clocks of their own: what was committed first came first.
  const inOrder = isClustered
    ? runs.toSorted((a, b) => (a.events[0]?.at ?? 0) - (b.events[0]?.at ?? 0))
    : runs.toSorted((a, b) => (a.runId < b.runId ? -1 : 1))
  for (const [i, { runId, events, end }] of inOrder.entries()) {
    const next = inOrder[i + 1]
    const nextAt = next?.events[0]?.at
    if (nextAt === undefined || events.some(({ type }) => type === 'execution-reopened')) continue
    if ((end?.at ?? Number.POSITIVE_INFINITY) > nextAt)
      report(`I1: ${id} has two open runs, ${runId} and ${next?.runId}`)
  }
  const roots = runs.filter(({ events: [first] }) => {
    return (
      first?.type === 'execution-started' && first.parent === undefined && first.continuedFrom === undefined
    )
  })
  if (roots.length > 1 && !contestedIds.has(id)) report(`I1: ${id} was started ${roots.length} times`)
}

/** I14, I8: every run has ended, and nothing of it is left to do. */
function checkEnds({ dump }: Facts, { byRun, byId }: Journals, report: (violation: string) => void): void {
  for (const { runId, end, dump: run } of byRun.values()) {
    if (end === undefined) report(`I14: ${runId} has not ended; its summary is ${run.row?.status}`)
    if (end !== undefined && run.timers.length > 0)
      report(`${runId} has ended, and timers ${run.timers.map(({ timer }) => timer).join()} are left`)
    if (end !== undefined && run.row?.active === true) report(`${runId} has ended, and is marked as active`)
  }
  for (const { message } of dump.outbox) report(`a message was never delivered: ${message}`)
  for (const [id, runs] of byId) {
    const key = [...dump.currents.keys()].find((text) => text.endsWith(`\0${id}`))
    const current = key === undefined ? undefined : dump.currents.get(key)
    const newest = Math.max(...runs.map(({ events }) => events[0]?.at ?? 0))
    if (current === undefined || byRun.get(current)?.events[0]?.at !== newest)
      report(`the newest run of ${id} is not the current one`)
  }
}
