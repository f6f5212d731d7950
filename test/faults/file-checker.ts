/**
 * Checks a store file against what clients were told and what really ran. A pure function over the three records; it
 * knows the journal's published shapes and nothing of the engine.
 *
 * I1 acknowledged starts, signals and updates are there. I2 acknowledged results stand. I3 at most one completion per run
 * and operation, and no recorded step runs again later. I4 journals are gapless. I6 timers and attempts are never early.
 * I7 signals are unique and in order. I8 one standing terminal event, nothing after it. I12 the summary is what the last
 * event says. I14 everything has ended, as it must.
 */
import type { ClientLog } from './client-log.ts'
import type { FileContents, FileEvent, FileRun } from './file-reader.ts'
import type { LedgerEntry, Lives } from './ledger.ts'
import { expectedEnd, idOf, numberOf, signalIdsOf } from './mixed-cases.ts'
import { checkRun, endOf } from './run-checker.ts'

export interface Evidence {
  readonly contents: FileContents
  readonly log: ClientLog
  readonly ledger: readonly LedgerEntry[]
  readonly lives: Lives
}

export function checkEvidence(evidence: Evidence): string[] {
  const { contents, log } = evidence
  const wrong: string[] = [...contents.damage, ...log.contradictions]
  checkClients(evidence, wrong)
  for (const run of contents.runs.values()) {
    checkRun(run, (what) => wrong.push(`${run.workflowId} (${run.runId}): ${what}`))
    checkLinks(run, contents, wrong)
  }
  checkSteps(evidence, wrong)
  for (const { runId, timer } of contents.timers) wrong.push(`timer ${timer} of run ${runId} was left behind`)
  if (contents.outboxRows > 0) wrong.push(`${contents.outboxRows} messages were left behind`)
  return wrong
}

function checkClients({ contents, log }: Evidence, wrong: string[]): void {
  for (const [number, runIds] of log.starts) {
    for (const runId of runIds) {
      const run = contents.runs.get(runId)
      if (run === undefined) wrong.push(`I1: the acknowledged start of ${idOf(number)} (${runId}) is lost`)
      else if (run.workflowId !== idOf(number)) wrong.push(`I1: run ${runId} belongs to ${run.workflowId}`)
    }
  }
  for (const [requestId, number] of log.signals) {
    const found = eventsOf(
      contents,
      log.starts.get(number)?.[0],
      'signal-received',
      (event) => event.requestId === requestId,
    )
    if (found.length !== 1)
      wrong.push(`I1: acknowledged signal ${requestId} is recorded ${found.length} times`)
  }
  for (const [updateId, answer] of log.updates) {
    const [runId] = log.starts.get(numberOf(updateId.slice(0, updateId.indexOf('+')))) ?? []
    const found = eventsOf(contents, runId, 'update-completed', (event) => event.updateId === updateId)
    const recorded = found.map((event) => JSON.stringify(dataOf(event.result)))
    if (recorded.length !== 1 || recorded[0] !== answer)
      wrong.push(
        `I1: update ${updateId} was answered ${answer}, recorded ${recorded.join(' and ') || 'never'}`,
      )
  }
  for (const number of log.driven) checkEnd(number, contents, log, wrong)
}

function checkEnd(number: number, contents: FileContents, log: ClientLog, wrong: string[]): void {
  const id = idOf(number)
  const acknowledged = log.ends.get(number)
  if (acknowledged === undefined) wrong.push(`I14: ${id} has not ended`)
  const current = contents.runs.get(contents.currents.get(id) ?? '')
  if (current === undefined) {
    wrong.push(`I1: ${id} has no run`)
    return
  }
  const end = endOf(current)
  const recorded = `${end?.status} ${end?.result}`
  if (acknowledged !== undefined && `${acknowledged.status} ${acknowledged.result}` !== recorded)
    wrong.push(`I2: ${id} was told ${acknowledged.status} ${acknowledged.result}, the file says ${recorded}`)
  const expected = expectedEnd(number)
  if (recorded !== `${expected.status} ${expected.result}`)
    wrong.push(`I14: ${id} ended as ${recorded}, not ${expected.status} ${expected.result}`)
  const sent = signalIdsOf(number)
  const received = current.events.flatMap((event) =>
    event.type === 'signal-received' ? [event.requestId] : [],
  )
  if (sent.length > 0 && JSON.stringify(received) !== JSON.stringify(sent))
    wrong.push(`I7: ${id} received the signals ${received}`)
}

function checkLinks(run: FileRun, { runs, currents }: FileContents, wrong: string[]): void {
  for (const event of run.events) {
    if (event.type === 'child-started' && !runs.has(String(event.runId)))
      wrong.push(`${run.workflowId}: child run ${event.runId} is lost`)
    if (event.type === 'child-completed') {
      const started = run.events.find((each) => each.type === 'child-started' && each.op === event.op)
      const child = runs.get(String(started?.runId))
      const result = child === undefined ? undefined : endOf(child)?.result
      if (result !== JSON.stringify(dataOf(event.result)))
        wrong.push(
          `${run.workflowId}: operation ${event.op} says ${JSON.stringify(event.result)}, its child ${result}`,
        )
    }
    if (event.type === 'execution-continued') {
      const next = runs.get(String(event.newRunId))
      if (next?.events[0]?.continuedFrom !== run.runId) wrong.push(`${run.workflowId}: the next run is lost`)
    } else if (event.type === 'execution-started' && run.status !== 'continued') {
      if (currents.get(run.workflowId) !== run.runId)
        wrong.push(`${run.workflowId}: the current run is ${currents.get(run.workflowId)}, not ${run.runId}`)
    }
  }
}

/** What the ledger says of the steps against what the journal says. */
function checkSteps({ contents, ledger, lives }: Evidence, wrong: string[]): void {
  const executed = new Map<string, LedgerEntry[]>()
  for (const entry of ledger) {
    const entries = executed.get(entry.key)
    if (entries === undefined) executed.set(entry.key, [entry])
    else entries.push(entry)
  }
  for (const run of contents.runs.values()) {
    const path = `${encodeURIComponent(run.namespace)}/${encodeURIComponent(run.workflowId)}/${run.runId}`
    const reopened = new Set(
      run.events.flatMap(({ type, op }) => (type === 'execution-reopened' ? [op] : [])),
    )
    for (const event of run.events) {
      if (!event.type.startsWith('step-')) continue
      // The attempts of a step that was withdrawn are counted from 1 again.
      if (reopened.has(event.op) && event.type !== 'step-completed') continue
      const key = `${path}/${event.op}`
      const entries = executed.get(key) ?? []
      checkAttempt(event, entries, (what) => wrong.push(`${key} ${what}`))
      const recordedIn = lives.of(event.at)
      for (const entry of entries) {
        if (entry.attempt <= Number(event.attempt ?? 1) && entry.round > recordedIn)
          wrong.push(`I3: ${key} was recorded in life ${recordedIn} and ran again in life ${entry.round}`)
      }
    }
    for (const [op] of reopened.entries()) executed.delete(`${path}/${op}`)
  }
  for (const entries of executed.values()) checkOncePerLife(entries, wrong)
}

function checkAttempt(
  event: FileEvent,
  entries: readonly LedgerEntry[],
  report: (what: string) => void,
): void {
  const attempt = Number(event.attempt ?? 1)
  if (!entries.some((entry) => entry.attempt === attempt)) report(`I3: has ${event.type} and never ran`)
  if (event.type === 'step-attempt-failed') {
    const next = entries.filter((entry) => entry.attempt === attempt + 1)
    if (next.some(({ atMs }) => atMs < Number(event.retryAt)))
      report('I6: ran again before its backoff had passed')
  } else if (entries.some((entry) => entry.attempt > attempt))
    report(`I3: ran again after attempt ${attempt} ended it`)
}

function checkOncePerLife(entries: readonly LedgerEntry[], wrong: string[]): void {
  const seen = new Set<string>()
  for (const { key, attempt, round } of entries) {
    const run = `${key} attempt ${attempt} in life ${round}`
    if (seen.has(run)) wrong.push(`I3: ${run} ran twice`)
    seen.add(run)
  }
}

function eventsOf(
  { runs }: FileContents,
  runId: string | undefined,
  type: string,
  matches: (event: FileEvent) => boolean,
): readonly FileEvent[] {
  return runs.get(runId ?? '')?.events.filter((event) => event.type === type && matches(event)) ?? []
}

/** The data of a payload `[format, codec, keyId, data]`. */
function dataOf(payload: unknown): unknown {
  return Array.isArray(payload) ? payload[3] : undefined
}
