// What workflow code without types may pass to ctx: the execution fails with an error that names the argument.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { query, signal, task, update, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

/** Without types, as a JavaScript program calls it. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point
type Untyped = any

const CASES: readonly [what: string, run: (ctx: Untyped) => unknown, message: RegExp][] = [
  ['a text as signal', (ctx) => ctx.waitFor('approved'), /ctx\.waitFor: the first argument is not a signal/],
  ['a query as signal', (ctx) => ctx.waitFor(query('q')), /ctx\.waitFor: the first argument is not a signal/],
  ['no workflow', (ctx) => ctx.child({}, 1), /ctx\.child: the first argument is not a workflow/],
  ['a text as query', (ctx) => ctx.onQuery('q', () => 1), /ctx\.onQuery: the first argument is not a query/],
  [
    'no query handler',
    (ctx) => ctx.onQuery(query('q'), 5),
    /ctx\.onQuery\('q'\): the second argument is not a function/,
  ],
  [
    'an update handler in an object',
    (ctx) => ctx.onUpdate(update('u'), { handler: 1 }),
    /ctx\.onUpdate\('u'\)/,
  ],
  [
    'a validator that is no function',
    (ctx) => ctx.onUpdate(update('u'), () => 1, { validate: true }),
    /the option validate is not a function/,
  ],
  ['a signal as update', (ctx) => ctx.onUpdate(signal('s'), () => 1), /is not an update/],
  [
    'an error as reason of a cancelled child',
    (ctx) => ctx.child(workflow({ name: 'wrong', run: () => {} })).cancel(new Error('circular')),
    /the reason is of type object, not a string/,
  ],
  [
    'an error as reason of a cancelled scope',
    (ctx) => ctx.scope((inner: Untyped) => inner.sleep(1)).cancel(new Error('circular')),
    /the reason is of type object, not a string/,
  ],
  [
    'a close policy that does not exist',
    (ctx) => ctx.child(workflow({ name: 'kid', run: () => {} }), 1, { parentClosePolicy: 'request-cancel' }),
    /parentClosePolicy is "request-cancel", not one of terminate, cancel, abandon/,
  ],
  ['retry as a number', (ctx) => ctx.step('x', () => 1, { retry: 5 }), /retry is not an object/],
  [
    'options as a number',
    (ctx) => ctx.step('x', () => 1, 5),
    /the options of ctx\.step\('x'\) are not an object/,
  ],
  [
    'a misspelled option of a task',
    (ctx) => ctx.task(task({ name: 'kid', run: () => {} }), 1, { priorty: 3 }),
    /ctx\.task\('kid'\) has no option 'priorty'; there are queue, key, priority, /,
  ],
  [
    'a misspelled option of retry',
    (ctx) => ctx.step('x', () => 1, { retry: { maxAttempt: 2 } }),
    /retry has no option 'maxAttempt'; there are maxAttempts, /,
  ],
  ['no step function', (ctx) => ctx.step('x', 5), /ctx\.step\('x'\): the second argument is not a function/],
  ['items that are none', (ctx) => ctx.map(5, () => 1), /ctx\.map: the first argument is not iterable/],
  ['no function for items', (ctx) => ctx.map([], 1), /ctx\.map: the second argument is not a function/],
  ['no scope function', (ctx) => ctx.scope(1), /ctx\.scope: the argument is not a function/],
  [
    'no clean-up function',
    (ctx) => ctx.uncancellable(1),
    /ctx\.uncancellable: the argument is not a function/,
  ],
]

describe('a wrong argument', () => {
  for (const [what, run, message] of CASES)
    test(what, async () => {
      const wrong = workflow({ name: 'wrong', run: async (ctx) => run(ctx) })
      await using engine = await createTestEngine({ workflows: [wrong] })
      const execution = await engine.start(wrong)
      await assert.rejects(execution.result(), (error: Error) => {
        assert.match((error.cause as Error).message, message)
        assert.equal((error.cause as { code?: unknown }).code, 'ARGUMENT_INVALID')
        return true
      })
    })
})
