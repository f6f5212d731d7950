/** The task of a simulation of dispatch: it runs, fails, yields, falls silent and kills its process, as its input says. */
import type { Clock } from '../../../src/platform/clock.ts'
import { type Task, type TaskContext, task } from '../../../src/sdk/tasks/task.ts'
import { never } from '../simulated-store.ts'
import { FATAL, MAX_ATTEMPTS } from './dispatch-rules.ts'
import type { DispatchWorld } from './dispatch-world.ts'

export interface DispatchedPlan {
  readonly ms: number
  /** Calls that fail, over all attempts. */
  readonly failures: number
  readonly isFatal: boolean
  readonly slices: number
  /** It tells that it lives so often. */
  readonly beats: number
  /** It goes on when it is aborted. */
  readonly isStubborn: boolean
  /** Calls that kill the process in which they run. */
  readonly kills: number
}

/** The process that runs it. */
export interface TaskProcess {
  readonly isAlive: boolean
  readonly clock: Clock
  readonly slowness: number
  kill(): void
}

class FatalTaskError extends Error {
  override readonly name = FATAL
}

const RETRY = { maxAttempts: MAX_ATTEMPTS, initialInterval: 20, maxInterval: 200, nonRetryable: [FATAL] }

/** The definition alone, for callers: it is never run. */
export const dispatchedTask: Task<DispatchedPlan, string> = task({
  name: 'dispatched',
  retry: RETRY,
  run: (): string => {
    throw new Error('invariant: the task of a process runs')
  },
})

export function taskOfProcess(world: DispatchWorld, process: TaskProcess): Task {
  return task({
    name: dispatchedTask.name,
    retry: RETRY,
    run: (context: TaskContext, plan: DispatchedPlan) => run(world, process, context, plan),
  }) as Task
}

function run(
  world: DispatchWorld,
  process: TaskProcess,
  context: TaskContext,
  plan: DispatchedPlan,
): Promise<string> {
  if (!process.isAlive) return never()
  const calls = (world.callsOf.get(context.id) ?? 0) + 1
  world.callsOf.set(context.id, calls)
  const { clock } = process
  const slice = (context.checkpoint as number | undefined) ?? 0
  const ms = plan.ms * process.slowness
  for (let beat = 1; beat <= plan.beats; beat++)
    clock.after((beat * ms) / (plan.beats + 1), () => context.heartbeat(beat % 2 === 0 ? slice : undefined))
  return new Promise((resolve, reject) => {
    const end = clock.after(ms, () => {
      if (calls <= plan.kills) {
        world.counters.killed += 1
        process.kill()
      } else if (plan.isFatal) reject(new FatalTaskError(`call ${calls}`))
      else if (calls <= plan.kills + plan.failures) reject(new Error(`call ${calls}`))
      else if (slice < plan.slices) yieldAt(context, slice + 1, reject)
      else resolve(world.base.newMarker())
    })
    if (plan.isStubborn) return
    context.abortSignal.addEventListener('abort', () => {
      end()
      clock.after(world.upTo(20), () => reject(new Error('aborted')))
    })
  })
}

function yieldAt(context: TaskContext, checkpoint: number, reject: (error: unknown) => void): void {
  try {
    context.yield(checkpoint)
  } catch (error) {
    reject(error)
  }
}
