/**
 * How an engine stops to serve, so that nobody in front of it sees a failure.
 *
 * 1. It says that it is not ready, and goes on: load balancers send no new connections, and a node hands over its shards.
 * 2. Clients are asked to go on with another node; who asks over HTTP gets the answer, on a connection that ends with it.
 * 3. Nobody is let in any more. What is not done by then is told that the engine has closed.
 */
import type { Clock } from '../platform/clock.ts'
import type { ClusterAssembly } from './cluster/cluster-assembly.ts'
import type { Doors } from './listen/doors.ts'
import type { ReadinessCheck } from './readiness.ts'

export interface LeavingParts {
  /** Undefined: it is alone. */
  readonly assembly: { readonly node: Pick<ClusterAssembly['node'], 'drain' | 'others'> } | undefined
  readonly doors: Pick<Doors, 'hasProxies' | 'leave' | 'finish'>
  readonly readiness: Pick<ReadinessCheck, 'isFailed' | 'beginDraining'>
  readonly clock: Pick<Clock, 'after'>
  /** How long a node may hand over. */
  readonly drainMs: number | undefined
  /** How long it serves at least after it has said that it is not ready. */
  readonly drainDelayMs: number | undefined
}

/** Clients of a node that ends are waited for so long, until their last calls are answered. */
export const LEAVE_MS = 5000
/** A balancer that asks each second finds out with the second answer, and has a moment for it. */
const BALANCED_DELAY_MS = 3000

export async function leave(parts: LeavingParts): Promise<void> {
  const { assembly, doors, readiness, clock, drainMs = 0 } = parts
  readiness.beginDraining()
  const wantedMs = parts.drainDelayMs ?? (doors.hasProxies ? BALANCED_DELAY_MS : 0)
  // One that has failed serves nobody any more.
  const delayMs = readiness.isFailed ? 0 : wantedMs
  const delay = (): Promise<void> => new Promise((resolve) => void clock.after(delayMs, resolve))
  await Promise.all([assembly?.node.drain(drainMs), delayMs > 0 ? delay() : undefined])
  // Alone, there is nobody to go on with.
  if (assembly !== undefined && assembly.node.others().length > 0)
    await Promise.all([doors.leave(LEAVE_MS), doors.finish(LEAVE_MS)])
}
