/**
 * What happens when a commit did not simply succeed.
 *
 * - Unknown: fence our own session, which waits for or defeats the old statement; then read whether the number is in. It is
 *   in or never will be. A plain read without the fence could miss a statement that is still on its way.
 * - Fenced: somebody else owns the data now. Everything in memory is dropped.
 * - Refused: the batch is split by groups of executions that belong together, down to the guilty one, which is parked;
 *   the others go on. What was built on the refused batch is dropped and read again.
 * - Anything else is fail-stop.
 */
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { PerdureError } from '../protocol/errors.ts'
import { platformFailure } from '../protocol/failure.ts'
import type { RunId } from '../protocol/ids.ts'
import type { CommitOutcome } from '../store/contract/batch.ts'
import type { BatchBuilder } from '../store/contract/batch-builder.ts'
import type { Session } from '../store/contract/rows.ts'
import { type Store, UnknownCommitError } from '../store/contract/store.ts'
import type { Committer } from './committer.ts'
import type { EngineCounters } from './engine-counters.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import type { OpenBatch } from './open-batch.ts'
import type { RunWaiters } from './run-waiters.ts'
import type { Transitions } from './transitions.ts'

const SETTLE_ATTEMPTS = 8
const SETTLE_DELAY_MS = 50

/** What settling needs of the engine. */
export interface SettlingEngine {
  readonly options: { readonly store: Store; readonly clock: Clock; readonly logger: Logger }
  readonly counters: EngineCounters
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly watchers: RunWaiters
  readonly ends: RunWaiters
  readonly session: Session
  readonly batchSeq: number
  register(): Promise<void>
  startOver(error: Error): Promise<void>
  commitAs(builder: BatchBuilder): Promise<CommitOutcome>
}

type Trouble = CommitOutcome | { readonly error: unknown }

export async function settleBatch(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  trouble: Trouble,
): Promise<void> {
  engine.committer.halt()
  const { counters } = engine
  const { logger } = engine.options
  if ('error' in trouble) {
    if (!(trouble.error instanceof UnknownCommitError)) throw trouble.error
    counters.unknownCommits += 1
    const isIn = await settleUnknown(engine)
    await engine.register()
    logger.warn('the outcome of a commit was unknown and is settled', { committed: isIn })
    if (isIn) {
      counters.unknownSettledIn += 1
      engine.committer.resolve(batch)
    } else {
      counters.unknownSettledOut += 1
      await engine.startOver(new PerdureError('UNCOMMITTED', 'the commit did not happen'))
    }
  } else if (trouble.outcome === 'fenced') {
    counters.fenced += 1
    logger.warn('the session was fenced: starting over', { session: engine.session.id })
    await engine.register()
    await engine.startOver(new PerdureError('UNCOMMITTED', 'the session of the engine was fenced'))
  } else if (trouble.outcome === 'refused') {
    counters.refused += 1
    await settleRefused(engine, batch, trouble.reason)
  }
  engine.committer.proceed()
}

/** Whether the batch in flight is in: it is, or it never will be. */
async function settleUnknown(engine: SettlingEngine): Promise<boolean> {
  const { store, clock } = engine.options
  const { session, batchSeq } = engine
  for (let attempt = 1; ; attempt++) {
    try {
      await store.fence(session)
      return await store.hasCommitted(session, batchSeq)
    } catch (error) {
      if (attempt >= SETTLE_ATTEMPTS) throw error
      await new Promise<void>((resolve) => void clock.after(SETTLE_DELAY_MS * 2 ** attempt, resolve))
    }
  }
}

async function settleRefused(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  reason: string,
): Promise<void> {
  const refused = await commitParts(engine, batch, batch.groups())
  const guilty = new Set(refused.flat())
  // Steps are not started here: their executions are loaded again, and ask for them again.
  const answers = batch.releases.filter(({ runId, isStep }) => !isStep && !guilty.has(runId))
  const lost = batch.releases.filter(({ runId }) => guilty.has(runId))
  const error = new PerdureError('STORE_FAILED', `the store refuses what the execution wrote: ${reason}`)
  batch.releases.length = 0
  for (const each of lost) each.release(error)
  for (const runId of batch.builder.runs()) {
    engine.watchers.tell(runId, undefined)
    engine.ends.tell(runId, undefined)
  }
  await engine.startOver(new PerdureError('UNCOMMITTED', 'a batch was refused by the store'))
  for (const each of answers) each.release(undefined)
  for (const runId of guilty) await parkGuilty(engine, runId, reason)
}

/** Commits the groups in halves; returns those that the store refuses even alone. */
async function commitParts(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  groups: readonly RunId[][],
): Promise<readonly RunId[][]> {
  if (groups.length > 1) {
    const half = groups.length >> 1
    return [
      ...(await commitOrSplit(engine, batch, groups.slice(0, half))),
      ...(await commitOrSplit(engine, batch, groups.slice(half))),
    ]
  }
  return groups
}

async function commitOrSplit(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  groups: readonly RunId[][],
): Promise<readonly RunId[][]> {
  const outcome = await commitPart(engine, batch.builder.only(groups.flat()))
  if (outcome.outcome === 'committed') return []
  if (outcome.outcome === 'fenced') throw new Error('the session was fenced while a refused batch was split')
  return commitParts(engine, batch, groups)
}

/** An unknown part is settled like a whole batch. Only we fenced the session: what did not happen is committed again. */
async function commitPart(engine: SettlingEngine, part: BatchBuilder): Promise<CommitOutcome> {
  const { counters } = engine
  for (;;) {
    try {
      return await engine.commitAs(part)
    } catch (error) {
      if (!(error instanceof UnknownCommitError)) throw error
    }
    counters.unknownCommits += 1
    const isIn = await settleUnknown(engine)
    await engine.register()
    if (isIn) {
      counters.unknownSettledIn += 1
      return { outcome: 'committed' }
    }
    counters.unknownSettledOut += 1
  }
}

async function parkGuilty(engine: SettlingEngine, runId: RunId, reason: string): Promise<void> {
  const execution = await engine.table.load(runId)
  // Refused at its very start: there is nothing to park, and its caller was told.
  if (execution === undefined) return
  const failure = platformFailure('STORE_FAILED', `the store refuses what the execution wrote: ${reason}`)
  engine.transitions.apply(execution, { type: 'park', failure })
  engine.transitions.finish(execution)
}
