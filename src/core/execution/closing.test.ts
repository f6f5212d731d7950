import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunId } from '../../protocol/ids.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { EMPTY_PAYLOAD } from '../../protocol/payload.ts'
import { decide } from './decide.ts'
import { evolve } from './evolve.ts'
import { emptyState } from './state.ts'
import { START_TIMER } from './timer-ids.ts'

test('an execution that ends when its delayed start is due, and has not fired, leaves no start timer', () => {
  const state = emptyState('01J0000000000000000000000A' as RunId)
  const key = { namespace: 'default', workflowId: 'a' }
  const started = { key, workflow: 'w', version: '1', input: EMPTY_PAYLOAD, notBefore: 100 }
  const start = decide(state, { type: 'start', started }, { now: 50, limits: DEFAULT_LIMITS })
  assert.deepEqual(start.effects, [{ kind: 'arm-timer', timer: START_TIMER, dueAt: 100 }])
  for (const event of start.events) evolve(state, event)
  for (const now of [60, 100, 150]) {
    const end = decide(state, { type: 'terminate', reason: 'x' }, { now, limits: DEFAULT_LIMITS })
    assert.deepEqual(end.effects, [{ kind: 'drop-timer', timer: START_TIMER }], `at ${now}`)
  }
})
