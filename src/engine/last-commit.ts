/** The last commit of an engine that closes: what its runs had changed, and what the audit trail has not written yet. */

import type { Clock } from '../platform/clock.ts'
import type { AuditDesk } from './audit/audit-desk.ts'
import type { Committer } from './committer.ts'

/** So long it is waited for at least, also where the grace is over: a commit under way gets its time. */
const LEAST_MS = 1000

export interface LastCommitParts {
  readonly committer: Committer
  readonly audit: AuditDesk | undefined
  readonly clock: Clock
  /** Code was in a turn. */
  readonly wasBusy: boolean
}

/** Nothing is added any more. Resolves when all is durable, or when `leftMs` are over: then the store does not take it. */
export function commitLast(
  { committer, audit, clock, wasBusy }: LastCommitParts,
  leftMs: number,
): Promise<void> {
  audit?.flush(true)
  // While code was in a turn nobody has asked for a commit of what is open.
  if (wasBusy) committer.touch()
  return new Promise((resolve) => {
    const cancel = clock.after(Math.max(LEAST_MS, leftMs), resolve)
    const flushed = committer.whenIdle().then(() => audit?.onLastFlush?.())
    void flushed.then(() => {
      cancel()
      resolve()
    })
  })
}
