/**
 * What happens when a commit did not simply succeed.
 *
 * - Unknown: fence our own session, which waits for or defeats the old statement; then read whether the number is in. It is
 *   in or never will be. A plain read without the fence could miss a statement that is still on its way.
 * - Fenced: somebody else owns the data now. Everything in memory is dropped.
 * - Refused: the batch is split by groups of executions that belong together, down to the guilty one, which is parked;
 *   the others go on. Of a group that nothing but messages of a pair of shards holds together none is parked: they are
 *   applied again one at a time (see `Inbox`). What was built on the refused batch is dropped and read again. If the
 *   session is fenced meanwhile, the parts that were committed stand and are answered; the rest is dropped with everything
 *   else.
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
import type { ScheduleKey } from '../store/contract/schedule-rows.ts'
import { type Store, UnknownCommitError } from '../store/contract/store.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { Committer } from './committer.ts'
import type { EngineCounters } from './engine-counters.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { AUDIT_RUN, NO_RUN } from './no-run.ts'
import type { OpenBatch } from './open-batch.ts'
import { scheduleKeyOf } from './schedules/schedule-run.ts'
import type { Transitions } from './transitions.ts'

const SETTLE_ATTEMPTS = 8
const SETTLE_DELAY_MS = 50

/** A run whose batch the store has refused, and whose shard was not here when it was to be parked. */
export interface Guilty {
  readonly reason: string
  /** Number of its newest journal entry then: what has a newer one has gone on with another owner. */
  readonly lastSeq: number
}

/** What settling needs of the engine. */
export interface SettlingEngine {
  readonly options: { readonly store: Store; readonly clock: Clock; readonly logger: Logger }
  readonly counters: EngineCounters
  readonly committer: Committer
  readonly table: LiveTable
  readonly ownership: Ownership
  readonly mailbox: { separate(pairs: readonly string[]): void }
  readonly transitions: Transitions
  readonly schedules: { refused(key: ScheduleKey, reason: string): void }
  /** Of this session, to be parked when their shards are here. */
  readonly guilty: Map<RunId, Guilty>
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
      await settledIn(engine, batch)
    } else {
      counters.unknownSettledOut += 1
      await engine.startOver(new PerdureError('UNCOMMITTED', 'the commit did not happen'))
    }
  } else if (trouble.outcome === 'fenced') {
    counters.fencedBatches += 1
    await engine.startOver(await registerAnew(engine))
  } else if (trouble.outcome === 'refused') {
    counters.refused += 1
    await settleRefused(engine, batch, trouble.reason)
  }
  engine.committer.proceed()
}

/** In a cluster the new session does not own what the old one did: others may have it by now. */
async function settledIn(engine: SettlingEngine, batch: OpenBatch<LiveExecution>): Promise<void> {
  const { ownership, committer } = engine
  if (ownership.isWhole) {
    committer.resolve(batch)
    return
  }
  // Nothing of it is begun here any more, and whoever waits for it is answered.
  ownership.clear()
  committer.resolve(batch)
  await engine.startOver(new PerdureError('UNCOMMITTED', 'the node has another session'))
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

/** What became of the runs of a refused batch; those in neither set were not tried again, or not one by one. */
interface Split {
  readonly committed: Set<RunId>
  /** Refused even alone. */
  readonly guilty: Set<RunId>
  isFenced: boolean
}

async function settleRefused(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  reason: string,
): Promise<void> {
  const split: Split = { committed: new Set(), guilty: new Set(), isFenced: false }
  await commitParts(engine, batch, batch.groups(), split)
  let dropped = new PerdureError('UNCOMMITTED', 'a batch was refused by the store')
  if (split.isFenced) dropped = await registerAnew(engine)
  // The engine has stopped meanwhile: everybody was told.
  if (batch.dropped !== undefined) return
  const refused = new PerdureError('STORE_FAILED', `the store refuses what the execution wrote: ${reason}`)
  const waiting = batch.releases.splice(0)
  const started = engine.startOver(dropped)
  // What was built on the batch is gone by now: whoever goes on after its answer meets nothing of it.
  for (const each of waiting) {
    // Steps are not started here: their executions are loaded again, and ask for them again.
    if (each.isStep) continue
    if (split.committed.has(each.runId)) each.release(undefined)
    else each.release(split.guilty.has(each.runId) ? refused : dropped)
  }
  await started
  // Another node may have it by then, and finds out for itself.
  if (split.isFenced && !engine.ownership.isWhole) return
  for (const runId of split.guilty) await parkGuilty(engine, runId, reason)
}

/** The session of this engine is known to be fenced, and no commit is in flight that would tell. */
export async function sessionLost(engine: SettlingEngine): Promise<void> {
  engine.committer.halt()
  await engine.startOver(await registerAnew(engine))
  engine.committer.proceed()
}

/** The session was fenced by another. The error says why the rest is dropped. */
async function registerAnew(engine: SettlingEngine): Promise<PerdureError> {
  engine.counters.fenced += 1
  engine.options.logger.warn('the session was fenced: starting over', { session: engine.session.id })
  await engine.register()
  return new PerdureError('UNCOMMITTED', 'the session of the engine was fenced')
}

/** Commits the groups in halves, until the session is fenced. */
async function commitParts(
  engine: SettlingEngine,
  batch: OpenBatch<LiveExecution>,
  groups: readonly RunId[][],
  split: Split,
): Promise<void> {
  if (groups.length <= 1) {
    const group = groups.flat()
    const pairs = batch.pairsThatTie(group)
    if (pairs.length > 0) engine.mailbox.separate(pairs)
    else for (const runId of group) split.guilty.add(runId)
    return
  }
  const half = groups.length >> 1
  for (const part of [groups.slice(0, half), groups.slice(half)]) {
    if (split.isFenced) return
    const { outcome } = await commitPart(engine, batch.builder.only(part.flat()))
    if (outcome === 'refused') await commitParts(engine, batch, part, split)
    else if (outcome === 'fenced') split.isFenced = true
    else for (const runId of part.flat()) split.committed.add(runId)
  }
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
    // In a cluster another session would not own what is written: the next part finds this one fenced.
    if (engine.ownership.isWhole) await engine.register()
    if (isIn) {
      counters.unknownSettledIn += 1
      return { outcome: 'committed' }
    }
    counters.unknownSettledOut += 1
    if (!engine.ownership.isWhole) return { outcome: 'fenced' }
  }
}

/** Shards are here again, before anything of them runs. */
export async function parkAllGuilty(engine: SettlingEngine): Promise<void> {
  for (const [runId, { reason, lastSeq }] of [...engine.guilty]) {
    const last = await engine.options.store.lastEntry(runId)
    if (last?.seq === lastSeq) await parkGuilty(engine, runId, reason)
    else engine.guilty.delete(runId)
  }
}

async function parkGuilty(engine: SettlingEngine, runId: RunId, reason: string): Promise<void> {
  // Whatever callers may say of tasks can be stored: its shape is checked, and so are texts and times.
  if (runId === NO_RUN) throw new Error(`the store refuses rows of tasks: ${reason}`)
  if (runId === AUDIT_RUN) throw new Error(`the store refuses rows of the audit trail: ${reason}`)
  const { session } = engine
  const schedule = scheduleKeyOf(runId)
  if (schedule !== undefined) {
    engine.schedules.refused(schedule, reason)
    return
  }
  const execution = await engine.table.load(runId)
  if (execution === undefined) {
    // Refused at its very start: there is nothing to park, and its caller was told. In a cluster its shard may not be back yet.
    if (!engine.ownership.isWhole) await noteGuilty(engine, runId, reason)
    return
  }
  // Another session, or none of its shard, by the time it was read.
  if (session !== engine.session) return
  if (!engine.ownership.owns(execution.shard)) {
    await noteGuilty(engine, runId, reason)
    return
  }
  engine.guilty.delete(runId)
  const failure = platformFailure('STORE_FAILED', `the store refuses what the execution wrote: ${reason}`)
  engine.transitions.apply(execution, { type: 'park', failure })
  engine.transitions.finish(execution)
}

async function noteGuilty(engine: SettlingEngine, runId: RunId, reason: string): Promise<void> {
  const { session } = engine
  if (engine.guilty.has(runId)) return
  const last = await engine.options.store.lastEntry(runId)
  if (last !== undefined && session === engine.session)
    engine.guilty.set(runId, { reason, lastSeq: last.seq })
}
