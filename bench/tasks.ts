/** What a process of the benchmark can be told to do. */
import { backlogIsReady, fillBacklog, measureBacklogRates, restOnBacklog } from './backlog-run.ts'
import { measureEncryption } from './encryption-cost.ts'
import { replayHistory, runBareHistory, runEngineHistory } from './history-run.ts'
import { runBareLanes, runEngineLanes } from './lanes.ts'
import { measurePeerQueue, measurePeerWorkflows } from './peers/measure-side.ts'
import { measurePicks } from './pick-cost.ts'
import { runBareQueue, runEngineQueue } from './queue-run.ts'
import { finishBare, finishOnEngine, workUntilKilled } from './recovery-run.ts'
import {
  becomeReady,
  leaveSleepers,
  measureBareStarts,
  measureEmpty,
  measureStarts,
  wakeAll,
} from './sleepers-run.ts'

export const tasks = {
  'engine-lanes': runEngineLanes,
  'bare-lanes': runBareLanes,
  'engine-history': runEngineHistory,
  'bare-history': runBareHistory,
  'replay-history': replayHistory,
  'start-sleepers': measureStarts,
  'bare-sleepers': measureBareStarts,
  'empty-sleepers': measureEmpty,
  'leave-sleepers': leaveSleepers,
  'ready-sleepers': becomeReady,
  'wake-sleepers': wakeAll,
  'work-until-killed': workUntilKilled,
  'finish-on-engine': finishOnEngine,
  'finish-bare': finishBare,
  'engine-queue': runEngineQueue,
  'bare-queue': runBareQueue,
  'pick-costs': measurePicks,
  'encryption-costs': measureEncryption,
  'rest-on-backlog': restOnBacklog,
  'fill-backlog': fillBacklog,
  'ready-backlog': backlogIsReady,
  'backlog-rates': measureBacklogRates,
  'peer-workflows': measurePeerWorkflows,
  'peer-queue': measurePeerQueue,
} as const

export type Tasks = typeof tasks
export type TaskName = keyof Tasks
export type OrderOf<Name extends TaskName> = Parameters<Tasks[Name]>[0]
export type AnswerOf<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>
