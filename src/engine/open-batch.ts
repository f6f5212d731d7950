/** A batch that fills or is being committed, and what waits for it. */

import type { RunId } from '../protocol/ids.ts'
import { BatchBuilder } from '../store/contract/batch-builder.ts'

/** Called once: without an error when the batch is durable, with one when it never will be. */
export type Release = (dropped: Error | undefined) => void

/** What waits for the commit of a batch. */
export interface WaitingRelease {
  readonly runId: RunId
  /** It starts a step, and answers nobody. */
  readonly isStep: boolean
  release(dropped: Error | undefined): void
}

/** Generic, since executions in memory know their batch too. */
export class OpenBatch<Execution> {
  builder = new BatchBuilder()
  /** Executions in memory that it changes. */
  readonly executions: Execution[] = []
  /** In order; effects of a batch leave the process in this order after its commit. */
  readonly releases: WaitingRelease[] = []
  /** Timers armed in it: compared with the horizon when it is committed. */
  readonly timers: {
    readonly runId: RunId
    readonly timer: number
    readonly dueAt: number
    readonly shard: number
  }[] = []
  /** Runs whose changes belong together: they stay in one commit even if the batch has to be split. */
  readonly links: (readonly [RunId, RunId])[] = []
  /** Runs that took messages of one pair of shards, one after the other: what is written of the pair ties them, nothing else. */
  readonly pairLinks: { readonly pair: string; readonly runs: readonly [RunId, RunId] }[] = []
  /** Told when it is durable, before its releases. */
  listener: { committed(): void } | undefined
  isDone = false
  /** Why it never will be durable. */
  dropped: Error | undefined
  /** Turns that ended while it waited. */
  turns = 0

  /** The runs in groups that may be committed apart. */
  groups(): RunId[][] {
    return groupsOf(this.builder.runs(), [...this.links, ...this.pairLinks.map(({ runs }) => runs)])
  }

  /** The pairs of shards without which these runs, of one group, would be several. */
  pairsThatTie(group: readonly RunId[]): readonly string[] {
    if (groupsOf(group, this.links).length === 1) return []
    const members = new Set(group)
    return this.pairLinks
      .filter(({ runs }) => runs.every((each) => members.has(each)))
      .map(({ pair }) => pair)
  }
}

function groupsOf(runs: Iterable<RunId>, links: readonly (readonly [RunId, RunId])[]): RunId[][] {
  const parent = new Map<RunId, RunId>()
  const rootOf = (runId: RunId): RunId => {
    let root = runId
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) root = up
    return root
  }
  for (const runId of runs) parent.set(runId, runId)
  for (const [a, b] of links) {
    if (parent.has(a) && parent.has(b)) parent.set(rootOf(a), rootOf(b))
  }
  const groups = new Map<RunId, RunId[]>()
  for (const runId of parent.keys()) {
    const root = rootOf(runId)
    const group = groups.get(root)
    if (group === undefined) groups.set(root, [runId])
    else group.push(runId)
  }
  return [...groups.values()]
}
