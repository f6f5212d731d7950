// Leases of claims, on a clock that the test moves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/index.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { ClaimDesk } from '../../src/server/claims/claim-desk.ts'
import { withEngine } from '../sdk/open-engine.ts'
import { until } from '../tasks/task-fixtures.ts'

const REQUEST = {
  namespace: 'default',
  queue: 'q',
  worker: 'w',
  tasks: ['work'],
  most: 1,
  waitMs: 60_000,
  leaseMs: 1000,
  caller: 'me',
}

test('a heartbeat begins the lease anew; without one the task waits again when it is over, and not before', () =>
  withEngine({}, async (_, { engine, calls }) => {
    const clock = new VirtualClock(0)
    const desk = new ClaimDesk({ engine, clock, logger: silentLogger })
    await calls.tasks.enqueue([
      { namespace: 'default', name: 'work', queue: 'q', id: 'a', input: encodePayload(1) },
    ])
    const [claim] = await desk.take(REQUEST)
    assert.ok(claim !== undefined)
    const tell = { token: claim.token, namespace: 'default', caller: 'me' }
    for (const atMs of [900, 1800, 2700]) {
      clock.advance(atMs - clock.nowMs())
      assert.deepEqual(await desk.tell({ ...tell, report: { kind: 'heartbeat' } }), { leaseMs: 1000 })
    }
    assert.equal(clock.nextMs(), 3700)
    const isRunning = async () =>
      (await calls.tasks.describe({ namespace: 'default', id: 'a' })).status === 'running'
    assert.ok(await isRunning())
    clock.runNext()
    await until(async () => !(await isRunning()))
    await assert.rejects(desk.tell({ ...tell, report: { kind: 'return' } }), { code: 'CLAIM_LOST' })
    desk.close()
  }))

test('a claim is for whoever claimed it, in its namespace', () =>
  withEngine({}, async (_, { engine, calls }) => {
    const desk = new ClaimDesk({ engine, clock: new VirtualClock(0), logger: silentLogger })
    await calls.tasks.enqueue([{ namespace: 'default', name: 'work', queue: 'q', input: encodePayload(1) }])
    const [claim] = await desk.take(REQUEST)
    assert.ok(claim !== undefined)
    const tell = {
      token: claim.token,
      namespace: 'default',
      caller: 'me',
      report: { kind: 'return' },
    } as const
    await assert.rejects(desk.tell({ ...tell, caller: 'you' }), { code: 'CLAIM_LOST' })
    await assert.rejects(desk.tell({ ...tell, namespace: 'other' }), { code: 'CLAIM_LOST' })
    assert.deepEqual(await desk.tell(tell), {})
    desk.close()
  }))
