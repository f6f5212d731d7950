/** The task of a simulation: it fails, yields, takes its time, and dies with its process, as its input says. */

import type { Clock } from '../../src/platform/clock.ts'
import type { PolicySetting } from '../../src/protocol/queue-settings.ts'
import { type Task, type TaskContext, task } from '../../src/sdk/tasks/task.ts'
import type { EngineSettings } from '../../src/server/engine-settings.ts'
import { type CrashSite, randomFor } from './fault-plan.ts'
import { never } from './simulated-store.ts'
import type { TaskCall } from './task-facts.ts'
import type { World } from './world.ts'

export interface TaskPlan {
  readonly ms: number
  /** Calls that fail, over all attempts. */
  readonly failures: number
  readonly isFatal: boolean
  readonly slices: number
  readonly beats: boolean
}

export const MAX_ATTEMPTS = 4

/** The process that runs it. */
export interface TaskProcess {
  readonly number: number
  readonly isAlive: boolean
  readonly clock: Clock
  openSteps: number
  kill(site: CrashSite): void
}

class FatalTaskError extends Error {
  override readonly name = 'FatalTaskError'
}

const POLICIES: readonly PolicySetting[] = [
  { name: 'fcfs' },
  { name: 'sjf' },
  { name: 'priority', agingMs: 500 },
  { name: 'round-robin', quantumMs: 20, weights: { k1: 3 } },
]

/** The definition alone, for callers: it is never run. */
export const simulatedTask: Task<TaskPlan, string> = task({
  name: 'simulated',
  retry: {
    maxAttempts: MAX_ATTEMPTS,
    initialInterval: 20,
    maxInterval: 200,
    nonRetryable: ['FatalTaskError'],
  },
  run: (): string => {
    throw new Error('invariant: the task of an instance runs')
  },
})

export function taskSettings(
  world: World,
  instance: TaskProcess,
): Pick<EngineSettings, 'tasks' | 'queues' | 'taskConcurrency'> {
  // The settings change with the lives: what waits is moved.
  const random = randomFor(world.seed, `queue/${Math.floor(instance.number / 3)}`)
  const policy = POLICIES[Math.floor(random() * POLICIES.length)] ?? { name: 'fcfs' }
  const limits = random() < 0.4 ? { concurrency: 1 + Math.floor(random() * 6) } : {}
  const keys = random() < 0.4 ? { keyConcurrency: 1 + Math.floor(random() * 2) } : {}
  const definition = task({
    name: simulatedTask.name,
    retry: {
      maxAttempts: MAX_ATTEMPTS,
      initialInterval: 20,
      maxInterval: 200,
      nonRetryable: ['FatalTaskError'],
    },
    run: (context: TaskContext, plan: TaskPlan) => run(world, instance, context, plan),
  })
  return {
    tasks: [definition],
    queues: [{ name: 'default', policy, ...limits, ...keys }],
    taskConcurrency: 1 + Math.floor(random() * 12),
  }
}

/** Small ones, so that most of what waits is in the store only. */
export function taskWindow(world: World): number {
  return [2, 4, 10, 1000][Math.floor(randomFor(world.seed, 'task window')() * 4)] ?? 2
}

function run(world: World, instance: TaskProcess, context: TaskContext, plan: TaskPlan): unknown {
  if (!instance.isAlive) return never()
  if (world.drawCrash('before-step')) {
    instance.kill('before-step')
    return never()
  }
  const { id, attempt, idempotencyKey } = context
  if (idempotencyKey !== `default/task/${id}`)
    world.faults.push(`idempotency key ${idempotencyKey} of task ${id}`)
  const calls = (world.stepCallsByKey.get(idempotencyKey) ?? 0) + 1
  world.stepCallsByKey.set(idempotencyKey, calls)
  world.counters.stepCalls += 1
  if (world.pausedSinceMs !== undefined && world.nowMs > world.pausedSinceMs)
    world.faults.push(
      `task ${id} began at ${world.nowMs}, and its queue is paused since ${world.pausedSinceMs}`,
    )
  const call: TaskCall = {
    atMs: instance.clock.nowMs(),
    id,
    attempt,
    durable: world.durable.tasks.statusOf(id),
    marker: undefined,
  }
  world.taskCalls.push(call)
  world.note(`task ${id} attempt ${attempt} call ${calls}`)
  if (world.drawCrash('after-step-effect')) {
    instance.kill('after-step-effect')
    return never()
  }
  const slice = (context.checkpoint as number | undefined) ?? 0
  const finish = (): string => {
    if (plan.isFatal) throw new FatalTaskError(`call ${calls}`)
    if (calls <= plan.failures) throw new Error(`call ${calls}`)
    if (slice < plan.slices) context.yield(slice + 1)
    call.marker = world.newMarker()
    return call.marker
  }
  if (plan.ms === 0) return finish()
  instance.openSteps += 1
  if (plan.beats) instance.clock.after(plan.ms / 2, () => context.heartbeat(slice))
  return new Promise((resolve, reject) => {
    instance.clock.after(plan.ms, () => {
      instance.openSteps -= 1
      try {
        resolve(finish())
      } catch (error) {
        reject(error as Error)
      }
    })
  })
}
