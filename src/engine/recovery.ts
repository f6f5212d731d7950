/** Reads into memory what has to go on after a start, page by page. */
import type { Clock } from '../platform/clock.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Store } from '../store/contract/store.ts'
import type { ClusterParts } from './cluster/cluster-parts.ts'
import type { LiveTable } from './live-table.ts'

const RECOVERY_PAGE = 500
/** Recovery and timers wait while this many executions are in memory and busy. */
const LIVE_LIMIT = 20_000
/** Of a journal, read together with those of others; longer ones are read on by themselves. */
const FIRST_ENTRIES = 200
const ROOM_WAITS = 50
const ROOM_WAIT_MS = 20

export interface RecoveringEngine {
  readonly options: { readonly store: Store; readonly cluster?: ClusterParts }
  readonly table: LiveTable
  readonly clock: Clock
}

/**
 * @param isWanted false: the engine has started over, or ends
 * @param shards only runs of these; default: all
 */
export async function recover(
  engine: RecoveringEngine,
  isWanted: () => boolean,
  shards?: readonly number[],
): Promise<void> {
  const { store, cluster } = engine.options
  let after: RunId | undefined
  for (;;) {
    const rows =
      shards === undefined || cluster === undefined
        ? await store.recoverable(after, RECOVERY_PAGE)
        : await cluster.reads.recoverableOf(shards, after, RECOVERY_PAGE)
    if (!isWanted()) return
    if (cluster === undefined) await Promise.all(rows.map((row) => engine.table.load(row.runId)))
    else {
      // On another machine: what one question answers is not asked for each.
      const read = (runIds: readonly RunId[]) => cluster.reads.firstEntries(runIds, FIRST_ENTRIES)
      await engine.table.loadAll(rows, read, FIRST_ENTRIES)
    }
    if (!isWanted()) return
    after = rows.at(-1)?.runId
    if (rows.length < RECOVERY_PAGE) return
    await roomInMemory(engine, isWanted)
  }
}

/** What recovery and timers bring into memory waits for what they have brought before. */
export async function roomInMemory(
  { table, clock }: RecoveringEngine,
  isWanted: () => boolean,
): Promise<void> {
  table.trim()
  // Bounded: what is in memory may itself wait for a timer.
  for (let waits = 0; waits < ROOM_WAITS && table.busy > LIVE_LIMIT && isWanted(); waits++)
    await new Promise<void>((resolve) => void clock.after(ROOM_WAIT_MS, resolve))
}
