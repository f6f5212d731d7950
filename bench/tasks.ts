/** What a process of the benchmark can be told to do. */
import { replayHistory, runBareHistory, runEngineHistory } from './history-run.ts'
import { runBareLanes, runEngineLanes } from './lanes.ts'

export const tasks = {
  'engine-lanes': runEngineLanes,
  'bare-lanes': runBareLanes,
  'engine-history': runEngineHistory,
  'bare-history': runBareHistory,
  'replay-history': replayHistory,
} as const

export type Tasks = typeof tasks
export type TaskName = keyof Tasks
export type OrderOf<Name extends TaskName> = Parameters<Tasks[Name]>[0]
export type AnswerOf<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>
