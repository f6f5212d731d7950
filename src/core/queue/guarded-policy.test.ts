import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardedPolicy } from './guarded-policy.ts'
import type { PolicyTask, SchedulingPolicy } from './policy.ts'
import { TaskQueue } from './task-queue.ts'

const about = (order: number): PolicyTask => ({
  name: 't',
  key: '',
  priority: 5,
  estimateMs: undefined,
  enqueuedMs: 0,
  order,
})
const fail = (): never => {
  throw new Error('not today')
}

const broken: Record<string, () => SchedulingPolicy> = {
  'a place that throws': () => ({ name: 'own', place: fail }),
  'no place': () => ({ name: 'own', place: () => undefined as never }),
  'a rank that is none': () => ({ name: 'own', place: () => ({ flow: '', rank: Number.NaN, chargeMs: 0 }) }),
  'a flow that is none': () => ({ name: 'own', place: () => ({ flow: 7 as never, rank: 1, chargeMs: 0 }) }),
  'flows that throw': () => ({
    name: 'own',
    place: ({ order }) => ({ flow: '', rank: order, chargeMs: 1 }),
    flows: { turn: fail, charge: fail, settle: fail, emptied: fail },
    served: fail,
  }),
}

for (const [what, policy] of Object.entries(broken))
  test(`${what}: tasks are taken in their order, and it is told once`, () => {
    const told: unknown[] = []
    const queue = new TaskQueue({ policy: guardedPolicy(policy(), (error) => told.push(error)) }, 0)
    for (let seq = 1; seq <= 3; seq++)
      queue.backlog.add({ ...queue.place(about(seq), ''), seq, about: about(seq) })
    const taken: number[] = []
    for (;;) {
      const next = queue.take(0, () => true)
      if (next.kind !== 'task') break
      taken.push(next.task.seq)
      queue.ended(next.task, 1)
    }
    assert.deepEqual(taken, [1, 2, 3])
    assert.equal(told.length, 1)
  })

test('a policy that works is asked as it is', () => {
  const policy = guardedPolicy(
    { name: 'last-first', quantumMs: 7, place: ({ order }) => ({ flow: '', rank: -order, chargeMs: 0 }) },
    fail,
  )
  assert.deepEqual(policy.place(about(3)), { flow: '', rank: -3, chargeMs: 0 })
  assert.deepEqual([policy.name, policy.quantumMs, policy.flows], ['last-first', 7, undefined])
})
