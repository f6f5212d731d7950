// What comes from outside and is parsed: of whatever it is made, it is taken, or refused with the code that is documented; and what
// was written is read again. An endless loop is seen by the watchdog of the test runs.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createEngine, silentLogger } from '../../src/index.ts'
import { nextCronTime } from '../../src/platform/cron-times.ts'
import { clientMessagesOf, engineRepliesOf } from '../../src/protocol/client-messages.ts'
import { durationMs } from '../../src/protocol/duration.ts'
import { encryptedDataOf } from '../../src/protocol/encrypted-payload.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { isDeeper } from '../../src/protocol/json-frame.ts'
import { nodeRepliesOf, nodeRequestsOf } from '../../src/protocol/node-messages.ts'
import { decodePayload, encodePayload, type Payload } from '../../src/protocol/payload.ts'
import { cursorOfTask, seqOfCursor } from '../../src/protocol/task-ids.ts'
import { engineMessagesOf, workerMessagesOf } from '../../src/protocol/worker-messages.ts'
import { claimTokenOf, claimTokenText } from '../../src/server/claims/claim-token.ts'
import { binaryEventOf, cloudEventOf, cloudEventsOf } from '../../src/server/events/cloud-event.ts'
import { Cursors } from '../../src/server/http/cursors.ts'
import { jsonBody } from '../../src/server/http/json-body.ts'
import { RequestError } from '../../src/server/http/problem.ts'

const RUNS = 2000
const RUNS_SLOW = 300

/** What the call answers; undefined: it was refused with this code. */
function taken<T>(code: string, call: () => T): { readonly value: T } | undefined {
  try {
    return { value: call() }
  } catch (error) {
    assert.ok(error instanceof PerdureError || error instanceof RequestError, `no coded error: ${error}`)
    assert.equal(error.code, code, error.message)
    return undefined
  }
}

const character = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  fc.constantFrom('\0', '\ud800', '{', '"', '\\'),
)
const base64url = fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString('base64url'))
const encodedJson = fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text).toString('base64url'))
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), base64url, encodedJson)

/** The text with one place changed, removed or added, or cut off. */
function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.constantFrom('change', 'remove', 'add', 'cut'), character)
    .map(([whole, place, how, by]) => {
      const at = whole.length === 0 ? 0 : place % whole.length
      if (how === 'cut') return whole.slice(0, at)
      const rest = whole.slice(at + (how === 'add' ? 0 : 1))
      return whole.slice(0, at) + (how === 'remove' ? '' : by) + rest
    })
}

describe('cron expressions', () => {
  const number = fc.oneof(fc.nat({ max: 70 }), fc.constantFrom(-1, 2_000_000_000, 1e21)).map(String)
  const name = fc.constantFrom(
    'MON',
    'sun',
    'JAN',
    'dec',
    'L',
    'W',
    'LW',
    '15W',
    '#',
    'FRI#5',
    '5#L',
    '?',
    '*',
    '',
    '@yearly',
    '@',
    'x',
  )
  const atom = fc.oneof({ weight: 3, arbitrary: number }, name)
  const range = fc.tuple(atom, atom).map(([from, to]) => `${from}-${to}`)
  const stepped = fc
    .tuple(fc.oneof(fc.constant('*'), range, atom), number)
    .map(([of, step]) => `${of}/${step}`)
  const field = fc
    .array(fc.oneof(atom, range, stepped, fc.constant('*')), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join())
  const expression = fc.oneof(
    fc.array(field, { maxLength: 8 }).map((fields) => fields.join(' ')),
    damaged(
      fc.constantFrom(
        '*/5 * * * *',
        '0 0 29 2 *',
        '0 0 0 1 1 * 2028',
        '@daily',
        '0 12 LW * *',
        '1-5 0 * * MON#2',
      ),
    ),
    anyText,
  )
  const zone = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'UTC',
        'Europe/Berlin',
        'America/St_Johns',
        'Australia/Lord_Howe',
        'Pacific/Apia',
      ),
    },
    { weight: 1, arbitrary: anyText },
  )

  test('any text, in any zone', () => {
    fc.assert(
      fc.property(expression, zone, fc.integer({ min: 0, max: 4e12 }), (cron, timezone, fromMs) => {
        const next = taken('ARGUMENT_INVALID', () => nextCronTime(cron, timezone, fromMs))?.value
        if (next !== undefined) assert.ok(next > fromMs && Number.isSafeInteger(next), `${next}`)
      }),
      { numRuns: RUNS },
    )
  })

  test('a time is the first that the fields allow', () => {
    const some = (max: number) => fc.uniqueArray(fc.nat({ max }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(some(59), some(23), fc.integer({ min: 0, max: 4e12 }), (minutes, hours, fromMs) => {
        let expected = Math.floor(fromMs / 60_000) * 60_000 + 60_000
        const fits = (ms: number): boolean =>
          minutes.includes(new Date(ms).getUTCMinutes()) && hours.includes(new Date(ms).getUTCHours())
        while (!fits(expected)) expected += 60_000
        assert.equal(nextCronTime(`${minutes} ${hours} * * *`, 'UTC', fromMs), expected)
      }),
      { numRuns: RUNS_SLOW },
    )
  })
})

describe('cursors', () => {
  const list = new Cursors('executions', { namespace: 'a', status: ['failed'] })

  test('of lists over HTTP: any text, and what the list has answered with', () => {
    fc.assert(
      fc.property(anyText, (text) => void taken('ARGUMENT_INVALID', () => list.taken(text))),
      { numRuns: RUNS },
    )
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (place, namespace) => {
        const { cursor = '' } = list.field(place)
        assert.deepEqual(list.taken(cursor), { cursor: place })
        fc.pre(namespace !== 'a')
        const other = new Cursors('executions', { namespace, status: ['failed'] })
        assert.equal(
          taken('ARGUMENT_INVALID', () => other.taken(cursor)),
          undefined,
        )
        assert.equal(
          taken('ARGUMENT_INVALID', () =>
            new Cursors('tasks', { namespace: 'a', status: ['failed'] }).taken(cursor),
          ),
          undefined,
        )
      }),
      { numRuns: RUNS },
    )
  })

  test('of lists of tasks: the number, and nothing but it', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (seq) => assert.equal(seqOfCursor(cursorOfTask(seq)), seq)))
    fc.assert(
      fc.property(fc.oneof(anyText, damaged(fc.maxSafeNat().map(cursorOfTask))), (text) => {
        const seq = seqOfCursor(text)
        if (seq !== undefined) assert.equal(cursorOfTask(seq), text)
      }),
      { numRuns: RUNS },
    )
  })

  test('of an engine: any text at any list', async () => {
    await using engine = await createEngine({ store: 'memory', workflows: [], logger: silentLogger })
    const text = fc.oneof(
      anyText,
      damaged(fc.constantFrom('01J9ZZZZZZZZZZZZZZZZZZZZZZ', 'after-1z', '5-01J9ZZZZZZZZZZZZZZZZZZZZZZ-1')),
    )
    await fc.assert(
      fc.asyncProperty(text, async (cursor) => {
        const lists = [
          () => engine.list({ cursor }),
          () => engine.listTasks({ cursor }),
          () => engine.schedules.list({ cursor }),
          () => engine.people.list({ cursor }),
        ]
        for (const ask of lists)
          await ask().then(
            () => undefined,
            (error: unknown) => {
              assert.ok(error instanceof PerdureError, `no coded error: ${error}`)
              assert.match(error.code, /^(ARGUMENT|ID)_INVALID$/)
            },
          )
      }),
      { numRuns: RUNS_SLOW },
    )
  })
})

describe('tokens of claims', () => {
  const token = fc.record(
    { session: fc.nat(), secret: fc.string(), attempt: fc.nat(), taskId: fc.string({ unit: 'grapheme' }) },
    { noNullPrototype: true },
  )

  test('any text, and those that were given out', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, damaged(token.map(claimTokenText))),
        (text) => void taken('CLAIM_LOST', () => claimTokenOf(text)),
      ),
      { numRuns: RUNS },
    )
    fc.assert(fc.property(token, (each) => assert.deepEqual(claimTokenOf(claimTokenText(each)), each)))
  })
})

describe('envelopes', () => {
  const tagged = fc.letrec<{ readonly any: unknown }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.record({
        $: fc.oneof(
          fc.constantFrom('undefined', 'bigint', 'Date', 'Uint8Array', 'Map', 'Set', 'object'),
          fc.jsonValue(),
        ),
        v: fc.oneof(
          fc.jsonValue(),
          tie('any'),
          fc.array(fc.array(tie('any'), { maxLength: 3 }), { maxLength: 3 }),
        ),
      }),
      fc.array(tie('any'), { maxLength: 3 }),
    ),
  })).any

  test('of anything: a value that can be encoded again, or a refusal', () => {
    fc.assert(
      fc.property(
        tagged,
        fc.constantFrom('json', 'cbor', ''),
        fc.option(fc.string()),
        (data, codec, keyId) => {
          const payload = JSON.parse(JSON.stringify([1, codec, keyId, data])) as Payload
          const read = taken('PAYLOAD_UNREADABLE', () => decodePayload(payload))
          if (read === undefined) return
          const again = encodePayload(read.value)
          assert.deepEqual(decodePayload(again), read.value)
          assert.deepEqual(encodePayload(decodePayload(again)), again)
        },
      ),
      { numRuns: RUNS },
    )
  })

  test('of what is encrypted', () => {
    const part = fc.oneof(fc.string(), fc.jsonValue())
    const data = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          id: part,
          purpose: part,
          sealed: part,
          owner: part,
          key: fc.oneof(part, fc.record({ by: part, wrapped: part })),
        },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(
        data,
        fc.option(fc.string()),
        fc.constantFrom('aes-256-gcm', 'json'),
        (any, keyId, codec) => {
          const payload = JSON.parse(JSON.stringify([1, codec, keyId, any])) as Payload
          void taken('PAYLOAD_UNREADABLE', () => encryptedDataOf(payload))
        },
      ),
      { numRuns: RUNS },
    )
  })
})

describe('events', () => {
  const attribute = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.jsonValue(),
    fc.constantFrom('1.0', '2026-01-01T00:00:00Z', 'application/json', 'a%zz', 'a%C3%A9', '"a\\"b"'),
  )
  const names = [
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'data',
    'data_base64',
    'datacontenttype',
    'dataschema',
    'traceparent',
    'A',
    '__proto__',
  ]
  const event = fc
    .array(fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string()), attribute), { maxLength: 8 })
    .map(
      (fields) =>
        Object.fromEntries([
          ['specversion', '1.0'],
          ['id', 'a'],
          ['source', '/a'],
          ['type', 't'],
          ...fields,
        ]) as unknown,
    )

  test('as JSON, alone and many: one that is taken is taken again, as it is', () => {
    fc.assert(
      fc.property(fc.oneof(event, fc.jsonValue()), (value) => {
        const found = taken('ARGUMENT_INVALID', () => cloudEventOf(value))
        if (found !== undefined) assert.deepEqual(cloudEventOf(found.value), found.value)
        void taken('ARGUMENT_INVALID', () => cloudEventsOf([value, value], 2))
        assert.equal(
          taken('ARGUMENT_INVALID', () => cloudEventsOf([value, value], 1)),
          undefined,
        )
      }),
      { numRuns: RUNS },
    )
  })

  test('in headers, with a body of any bytes', () => {
    const headers = fc.dictionary(
      fc.oneof(fc.constantFrom(...names.map((name) => `ce-${name}`), 'content-type'), fc.string()),
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('1.0', '%', '%80', '"\\', 'text/plain', 'application/x+json'),
        fc.array(fc.string()),
      ),
    )
    const body = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      fc.constant(Buffer.from('['.repeat(100_000))),
    )
    const whole = { 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': '/a', 'ce-type': 't' }
    fc.assert(
      fc.property(headers, fc.boolean(), fc.option(body, { nil: undefined }), (some, isWhole, bytes) => {
        void taken('ARGUMENT_INVALID', () => binaryEventOf({ ...some, ...(isWhole ? whole : {}) }, bytes))
      }),
      { numRuns: RUNS },
    )
  })
})

describe('bodies, durations, and frames', () => {
  test('a body of any bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      damaged(fc.json()).map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 5 }), (body, depth) => {
        void taken('ARGUMENT_INVALID', () => jsonBody(Buffer.from(body), depth))
      }),
      { numRuns: RUNS },
    )
  })

  test('a duration of any text', () => {
    const text = fc.oneof(
      anyText,
      damaged(
        fc
          .tuple(fc.double({ min: 0, max: 1e9 }), fc.constantFrom('ms', 's', 'm', 'h', 'd', 'w'))
          .map(([n, unit]) => `${n}${unit}`),
      ),
    )
    fc.assert(
      fc.property(text, (duration) => {
        const ms = taken('DURATION_INVALID', () => durationMs(duration as '1s'))?.value ?? 0
        assert.ok(Number.isSafeInteger(ms) && ms >= 0)
      }),
      { numRuns: RUNS },
    )
  })

  const messages: readonly object[] = [
    {
      type: 'hello',
      namespace: 'a',
      tasks: ['t'],
      credits: 1,
      workflows: [{ name: 'w', version: '1' }],
      labels: { a: 'b' },
    },
    { type: 'completed', token: 't', result: [1, 'json', null, 1] },
    { type: 'turn', run: 1, seen: 1, idle: true, commands: [{ kind: 'sleep', op: 1 }] },
    {
      type: 'task',
      token: 't',
      id: 'i',
      name: 'n',
      input: [1, 'json', null, 1],
      attempt: 1,
      idempotencyKey: 'k',
    },
    { id: 1, method: 'describe', args: [{ key: { namespace: 'a', workflowId: 'w' } }] },
    { id: 1, to: 'n', method: 'tasks.list', args: [{ namespace: 'a' }] },
    { id: 1, to: 'n', rows: [{ fromShard: 1, toShard: 2, seq: 3, message: '{}' }] },
    { id: 1, failure: { kind: 'application', name: 'E', message: 'm' } },
    { cancel: 1 },
    { nodes: ['ws://a'] },
  ]
  const frame = fc.oneof(
    fc.json(),
    anyText,
    damaged(fc.constantFrom(...messages).map((message) => JSON.stringify([message]))),
    // One field of a message is anything.
    fc.tuple(fc.constantFrom(...messages), fc.nat(), fc.jsonValue()).map(([message, place, value]) => {
      const keys = Object.keys(message)
      return JSON.stringify([{ ...message, [keys[place % keys.length] ?? '']: value }])
    }),
    fc.constantFrom(...[900, 5000, 500_000].map((depth) => '['.repeat(depth) + ']'.repeat(depth))),
  )
  const readers: Readonly<Record<string, (text: string) => unknown>> = {
    'of a worker': workerMessagesOf,
    'of an engine to a worker': engineMessagesOf,
    'of a client': (text) =>
      clientMessagesOf(text, (_, error) => assert.equal(error.code, 'PROTOCOL_INVALID', error.message)),
    'of an engine to a client': engineRepliesOf,
    'of a node': nodeRequestsOf,
    'of a node that answers': nodeRepliesOf,
  }
  for (const [what, read] of Object.entries(readers))
    test(`a frame ${what}: what is taken can be written again`, () => {
      fc.assert(
        fc.property(frame, (text) => {
          const found = taken('PROTOCOL_INVALID', () => read(text))
          if (found !== undefined) JSON.stringify(found.value)
        }),
        { numRuns: RUNS },
      )
    })

  test('how deep a text is', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }),
        fc.integer({ min: 1, max: 8 }),
        (value, most) => {
          // Longer than what is not looked at.
          const text = JSON.stringify(['"\\"[[{', value]).padEnd(2 * most + 1)
          assert.equal(isDeeper(text, most), depthOf(['', value]) > most)
        },
      ),
      { numRuns: RUNS },
    )
  })
})
