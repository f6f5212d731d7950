/** Timers of executions whose time has come. */
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../store/contract/store.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { Committer } from './committer.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { roomInMemory } from './recovery.ts'
import type { DueTimer } from './timer-window.ts'
import type { Transitions } from './transitions.ts'

export interface TimedEngine {
  readonly options: { readonly store: Store }
  readonly clock: Clock
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly ownership: Ownership
  reload(execution: LiveExecution): void
}

/** @param isWanted false: the engine has started over, or ends */
export async function fireTimers(
  engine: TimedEngine,
  due: readonly DueTimer[],
  isWanted: () => boolean,
): Promise<void> {
  const { table, committer, ownership } = engine
  let rest = due
  while (rest.length > 0) {
    // Those of shards that were given up are another node's.
    rest = rest.filter(({ shard }) => ownership.owns(shard))
    const { losses } = ownership
    const found = await Promise.all(rest.map(({ runId }) => table.get(runId) ?? table.load(runId)))
    if (!isWanted()) return
    if (losses !== ownership.losses) continue
    const late: DueTimer[] = []
    for (const [i, each] of rest.entries()) {
      const execution = table.get(each.runId)
      if (execution !== undefined) fire(engine, execution, each.timer)
      else if (found[i] === undefined) committer.writesFor(each.runId).dropTimer(each.timer)
      // It left memory while others were read.
      else late.push(each)
    }
    committer.touch()
    rest = late
  }
  await roomInMemory(engine, isWanted)
}

function fire(engine: TimedEngine, execution: LiveExecution, timer: number): void {
  const isStart = timer === -1
  engine.transitions.apply(execution, { type: 'timer-due', timer })
  if (isStart && execution.run === undefined && execution.state.status === 'running') engine.reload(execution)
  else engine.transitions.finish(execution)
}
