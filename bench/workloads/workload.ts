/** What all workloads have in common: options in, results out. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { StoreName } from '../lanes.ts'
import type { BenchResult } from '../result.ts'
import { startTask, type TaskProcess } from '../task-process.ts'
import type { AnswerOf, OrderOf, TaskName } from '../tasks.ts'

export interface BenchOptions {
  readonly store: StoreName
  /** Default: each workload has its own. */
  readonly inFlight: number | undefined
  /** Default: each workload has its own, or runs for some time. */
  readonly executions: number | undefined
  /** How long the measured part of a round takes, where time decides. */
  readonly roundMs: number
  /** A tenth of the work of each workload. */
  readonly isQuick: boolean
  readonly rounds: number
  readonly nodeFlags: readonly string[]
  readonly directory: string
  readonly progress: (text: string) => void
}

export interface Workload {
  readonly name: string
  readonly about: string
  readonly stores: readonly StoreName[]
  /** What it runs on unless told. */
  readonly defaultStores: readonly StoreName[]
  readonly run: (options: BenchOptions) => AsyncGenerator<BenchResult, void, undefined>
}

/** Gives `use` an empty directory, and removes it. */
export async function inDirectory<T>(parent: string, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(parent, 'perdure-bench-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Runs a task to its end. */
export function taskAnswer<Name extends TaskName>(
  options: Pick<BenchOptions, 'nodeFlags'>,
  name: Name,
  order: OrderOf<Name>,
): Promise<AnswerOf<Name>> {
  const task: TaskProcess<AnswerOf<Name>> = startTask(options.nodeFlags, name, order)
  return task.answer()
}
