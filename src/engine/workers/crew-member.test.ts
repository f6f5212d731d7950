import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RoundRobin } from '../../core/balance/round-robin.ts'
import { WorkerFleet } from '../../core/balance/worker-fleet.ts'
import { fcfs } from '../../core/queue/fcfs.ts'
import { TaskQueue } from '../../core/queue/task-queue.ts'
import { systemClock } from '../../platform/clock.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { LiveQueue } from '../tasks/live-queue.ts'
import { aboutOf, LiveTask } from '../tasks/live-task.ts'
import { CrewMember } from './crew-member.ts'
import { QueueCrew } from './queue-crew.ts'
import type { TaskClass } from './task-class.ts'
import { TaskCrew } from './task-crew.ts'

const port = { supports: () => true, start: () => {}, abort: () => {} }
const needing = (cpu: number, memoryMb = 0): TaskClass => ({
  name: 't',
  requires: { cpu, memoryMb },
  isLastChance: false,
})

describe('what tasks require of a worker', () => {
  test('an idle worker takes a task that needs all of it, whatever it ran before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0.1, 0.2, 0.3, 0.7), fc.nat()), { maxLength: 200 }),
        (steps) => {
          const member = new CrewMember<object>({ id: 'w', credits: 99, capacity: { cpu: 0.8 } }, port)
          const running: number[] = []
          for (const [cpu, at] of steps) {
            if (member.accepts(needing(cpu))) {
              member.use(needing(cpu), 1)
              running.push(cpu)
            } else member.use(needing(running.splice(at % running.length, 1)[0] ?? 0), -1)
          }
          for (const cpu of running.splice(0)) member.use(needing(cpu), -1)
          assert.ok(member.accepts(needing(0.8)))
          assert.ok(!member.accepts(needing(0.8001)))
        },
      ),
    )
  })

  test('tasks whose fractions add up to all of it run at once', () => {
    const member = new CrewMember<object>({ id: 'w', credits: 99, capacity: { cpu: 0.6 } }, port)
    for (const cpu of [0.1, 0.2]) member.use(needing(cpu), 1)
    assert.ok(member.accepts(needing(0.3)))
    member.use(needing(0.3), 1)
    assert.ok(!member.accepts(needing(0.001)))
  })
})

describe('the workers of a queue', () => {
  const ejection = {
    intervalMs: 1000,
    maxEjectedShare: 0.5,
    successRate: { workersMin: 2, requestsMin: 5, deviations: 0.5 },
  }

  test('that can serve a task at a time give one at that time, if a sweep is due right after it too', () => {
    let nowMs = 0
    const crew = new TaskCrew({ ...systemClock, nowMs: () => nowMs })
    const fleet = new WorkerFleet(new RoundRobin(), { affinity: 'prefer', ejection })
    const head = { seq: 1, namespace: 'default', givenId: null, queue: 'q', partition: 0, name: 't' }
    const queue = new TaskQueue<LiveTask>({ policy: fcfs() }, 0)
    const live = new LiveQueue(head, { queue, fleet })
    crew.opened(live)
    const [good, bad] = ['good', 'bad'].map((id) => crew.join({ id, credits: 1 }, port))
    assert.ok(good !== undefined && bad !== undefined)
    assert.ok(live.crew.canServe('t', 0))
    for (let i = 0; i < 10; i++)
      for (const { id } of [good, bad]) {
        fleet.started(id, i)
        fleet.finished(id, { durationMs: 1, failed: id === 'bad' && i % 2 === 0 }, i)
      }
    fleet.started(good.id, 20)
    assert.ok(live.crew.canServe('t', 999.9))
    // The interval ends before the task is given away.
    nowMs = 1000
    const spec = { input: encodePayload(1), enqueuedMs: 0 }
    const place = queue.place(aboutOf(head, spec, {}), 't')
    const task = new LiveTask(head, spec, { status: 'waiting', state: {} }, place, null)
    crew.take(live, task, 999.9)
    assert.equal(task.member, bad)
  })

  test('are told of what has changed while nothing waited, once something does', () => {
    const crew = new QueueCrew<object>(new WorkerFleet(new RoundRobin(), { affinity: 'prefer' }))
    const [a, b] = ['a', 'b'].map((id) => new CrewMember<object>({ id, credits: 1 }, port))
    assert.ok(a !== undefined && b !== undefined)
    for (const member of [a, b]) crew.join(member, 0)
    crew.rests(4)
    a.isFull = true
    a.placesChange = 5
    crew.wake(5, 1)
    assert.equal(crew.take('t', {}, 1), b)
    crew.rests(5)
    a.isFull = false
    a.placesChange = 6
    crew.wake(6, 2)
    assert.equal(crew.take('t', {}, 2), a)
  })
})
