import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event } from '../../protocol/event.ts'
import { encodePayload } from '../../protocol/payload.ts'
import { eventText } from './event-text.ts'

describe('the text of an event', () => {
  const events: Event[] = [
    { type: 'step-completed', op: 1, name: 'charge', result: encodePayload({ ok: true }), at: 1 },
    {
      type: 'step-completed',
      op: 2,
      name: 'a "quoted" \n name',
      attempt: 3,
      result: encodePayload(undefined),
      at: 2,
    },
    {
      type: 'step-completed',
      op: 3,
      name: '\u2028',
      result: encodePayload([1, 'x', null, new Date(5)]),
      at: 3,
    },
    { type: 'step-completed', op: 4, name: 'a', result: [1, 'json', 'key-1', 'AAAA'], at: 4 },
    { type: 'execution-completed', result: encodePayload({ ok: true }), at: 5 },
    { type: 'execution-completed', result: encodePayload(undefined), at: 5, v: 2 },
    { type: 'timer-fired', op: 4, at: 4 },
  ]
  for (const event of events) {
    it(`reads back as the event: ${JSON.stringify(event).slice(0, 60)}`, () => {
      assert.deepEqual(JSON.parse(eventText(event)), event)
      assert.equal(eventText(event).includes('\n'), false)
    })
  }
})
