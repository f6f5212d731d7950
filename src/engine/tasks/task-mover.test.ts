import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../platform/clock.ts'
import type { LiveQueue } from './live-queue.ts'
import { TaskMover, type TaskMoverOptions } from './task-mover.ts'

test('a second change during a move may leave behind any number of lanes', () => {
  const unused = (): never => assert.fail('nothing is read before the change is durable')
  const mover = new TaskMover({
    clock: systemClock,
    waiting: unused,
    committer: { wait: () => {} },
    memory: { reading: unused },
    windowTasks: undefined,
    isRunning: unused,
    move: unused,
    ask: () => {},
    isDraining: () => false,
    onError: unused,
  } as unknown as TaskMoverOptions)
  const live = {} as LiveQueue
  const batch = { isDone: false } as Parameters<TaskMover['begin']>[2]
  mover.begin(live, ['a'], batch)
  mover.begin(
    live,
    Array.from({ length: 200_000 }, (_, i) => `lane ${i}`),
    batch,
  )
  assert.ok(mover.isBusy)
})
