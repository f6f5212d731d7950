/** Timers of executions whose time has come. */
import type { Clock } from '../platform/clock.ts'
import type { Ownership } from './cluster/ownership.ts'
import type { Committer } from './committer.ts'
import type { EngineOptions } from './engine-options.ts'
import type { LiveExecution } from './live-execution.ts'
import type { LiveTable } from './live-table.ts'
import { roomInMemory } from './recovery.ts'
import { type DueTimer, TimerWindow } from './timer-window.ts'
import type { Transitions } from './transitions.ts'

export interface TimedEngine {
  readonly options: Pick<
    EngineOptions,
    'store' | 'cluster' | 'timerLookaheadMs' | 'timerPageRows' | 'metrics'
  >
  readonly clock: Clock
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly ownership: Ownership
  readonly generation: number
  reload(execution: LiveExecution): void
  fail(cause: unknown): void
}

/** Of the executions of the engine, until it starts over. */
export function timersOf(engine: TimedEngine): TimerWindow {
  const { generation } = engine
  const { store, cluster, timerLookaheadMs, timerPageRows, metrics } = engine.options
  return new TimerWindow({
    clock: engine.clock,
    timers: (page) => cluster?.reads.timersOf(engine.ownership.list(), page) ?? store.timers(page),
    onDue: (due) => fireTimers(engine, due, () => generation === engine.generation),
    onError: (error) => engine.fail(error),
    ...(timerLookaheadMs === undefined ? {} : { lookaheadMs: timerLookaheadMs }),
    ...(timerPageRows === undefined ? {} : { pageRows: timerPageRows }),
    metrics: metrics && { of: metrics.timers, kind: 'execution' },
  })
}

/**
 * Each is fired as soon as its execution is in memory: one with a long journal holds up no other.
 *
 * @param isWanted false: the engine has started over, or ends
 */
async function fireTimers(
  engine: TimedEngine,
  due: readonly DueTimer[],
  isWanted: () => boolean,
): Promise<void> {
  await Promise.all(due.map((timer) => fireOne(engine, timer, isWanted)))
  if (isWanted()) await roomInMemory(engine, isWanted)
}

async function fireOne(engine: TimedEngine, due: DueTimer, isWanted: () => boolean): Promise<void> {
  const { table, committer, ownership } = engine
  const { runId, shard, timer } = due
  // Those of shards that were given up are another node's.
  while (ownership.owns(shard)) {
    const { losses } = ownership
    const found = table.get(runId) ?? (await table.load(runId))
    if (!isWanted()) return
    // It may have left memory, or its shard, since it was found.
    const execution = table.get(runId)
    const isGone = execution === undefined && found !== undefined
    if (losses !== ownership.losses || isGone) continue
    if (execution === undefined) committer.writesFor(runId).dropTimer(timer)
    else fire(engine, execution, timer)
    committer.touch()
    return
  }
}

function fire(engine: TimedEngine, execution: LiveExecution, timer: number): void {
  const isStart = timer === -1
  engine.transitions.apply(execution, { type: 'timer-due', timer })
  if (isStart && execution.run === undefined && execution.state.status === 'running') engine.reload(execution)
  else engine.transitions.finish(execution)
}
