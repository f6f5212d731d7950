/**
 * Whether the name of a node is free: two nodes of one name would be told apart by nobody, and get the same shards first.
 *
 * A node that has crashed leaves its session behind, and is to be started again under its name at once. So whoever has the name is
 * looked at as failure detection does: one whose heartbeat moves lives, and the newcomer is refused; one whose heartbeat stands still
 * for the timeout is dead, and its session is fenced. Fencing is safe in any case.
 */
import type { ClusterView, SessionView } from '../../core/cluster/cluster-view.ts'
import { FailureDetector } from '../../core/cluster/failure-detector.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Session } from '../../store/contract/rows.ts'

export interface NameCheckOptions {
  readonly name: string
  /** Where the newcomer is reached: whoever was there before has ended. */
  readonly address: string
  readonly look: () => Promise<ClusterView>
  /** Resolves when no write of that session can take effect any more. */
  readonly fence: (session: Session) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

const LOOK_MS = 150
/** One heartbeat of a node that was killed may still be on its way to the database. */
const BEATS_OF_THE_LIVING = 2

/**
 * Nodes that drain are left out: they are about to end, and what starts is to replace them.
 *
 * @param own of two that have joined in the same moment the later one is refused
 * @throws PerdureError `NODE_NAME_TAKEN`
 */
export async function assertNameFree(
  { name, address, look, fence, clock, logger }: NameCheckOptions,
  own?: Session,
): Promise<void> {
  const detector = new FailureDetector()
  const seen = new Map<number, { readonly beat: number; readonly moves: number }>()
  for (;;) {
    const { databaseMs, sessions } = await look()
    const holders = sessions.filter(
      ({ id, node, isFenced, isDraining }) =>
        node === name && !isFenced && !isDraining && (own === undefined || id < own.id),
    )
    if (holders.length === 0) return
    for (const holder of holders) if (isMoving(holder, seen)) throw taken(holder)
    for (const id of detector.look(databaseMs, holders)) {
      const dead = holders.find((holder) => holder.id === id)
      if (dead === undefined) continue
      logger.info('the node that had this name has died: its session is fenced', { session: id })
      await fence(dead)
    }
    for (const holder of holders) if (holder.address === address) detector.hint(holder.id)
    await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve))
  }
}

function isMoving(
  { id, heartbeatAt }: SessionView,
  seen: Map<number, { readonly beat: number; readonly moves: number }>,
): boolean {
  const known = seen.get(id)
  const moves = known === undefined ? 0 : known.moves + (known.beat === heartbeatAt ? 0 : 1)
  seen.set(id, { beat: heartbeatAt, moves })
  return moves >= BEATS_OF_THE_LIVING
}

function taken({ node, address, id }: SessionView): PerdureError {
  return new PerdureError(
    'NODE_NAME_TAKEN',
    `a node with the name ${node} is there, at ${address} (session ${id})`,
  )
}
