import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PerdureError } from '../../src/protocol/errors.ts'
import type { Json } from '../../src/protocol/json.ts'
import { binaryEventOf, cloudEventOf, cloudEventsOf } from '../../src/server/events/cloud-event.ts'
import { checkedEventRule, effectOf, isMatch } from '../../src/server/events/event-rule.ts'
import { checkTemplate, filled, filledId } from '../../src/server/events/event-template.ts'

const EVENT = {
  specversion: '1.0',
  id: 'A234-1234',
  source: '/shop/orders',
  type: 'com.example.order.created',
  subject: 'order 7',
  time: '2026-04-05T17:31:00Z',
  comexampleregion: 'eu',
  data: { order: { id: 7, 'a/b~c': 'odd' }, items: ['x', 'y'], note: null },
} as const

/** In a text; names of fields are no templates. */
function hasBraces(value: unknown): boolean {
  if (typeof value === 'string') return /[{}]/.test(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasBraces)
}

const refused = (use: () => unknown, what: RegExp): void =>
  assert.throws(
    use,
    (error) => error instanceof PerdureError && error.code === 'ARGUMENT_INVALID' && what.test(error.message),
  )

describe('a CloudEvent', () => {
  it('is taken as the specification has it, with extensions', () => {
    assert.deepEqual(cloudEventOf(EVENT), EVENT)
  })

  it('may have attributes that are null: they are absent; data that are null are there', () => {
    const { subject: _, ...rest } = EVENT
    assert.deepEqual(cloudEventOf({ ...EVENT, subject: null, data: null }), { ...rest, data: null })
  })

  const wrong: readonly (readonly [string, object, RegExp])[] = [
    ['no id', { id: undefined }, /id is not a text/],
    ['an empty source', { source: '' }, /source is not a text/],
    ['a number as type', { type: 7 }, /type is not a text/],
    ['another version', { specversion: '0.3' }, /specversion "0.3"/],
    ['a source with a space', { source: 'a b' }, /no URI reference/],
    ['a time without a zone', { time: '2026-04-05T17:31:00' }, /RFC 3339/],
    ['a time that is none', { time: '2026-99-05T17:31:00Z' }, /RFC 3339/],
    ['an extension with a capital letter', { traceParent: 'x' }, /lower-case letters and digits/],
    ['an extension that is an object', { ext: {} }, /ext is not a text/],
    ['an extension with a fraction', { ext: 1.5 }, /ext is not a text/],
    ['data twice', { data_base64: 'AAAA' }, /both data and data_base64/],
    ['bytes that are no base64', { data: undefined, data_base64: 'A' }, /both|no base64/],
    ['a control character', { subject: 'a\nb' }, /control character/],
    ['a long id', { id: 'x'.repeat(1025) }, /longer than 1024/],
  ]
  for (const [what, change, message] of wrong)
    it(`with ${what} is refused`, () => {
      refused(() => cloudEventOf(JSON.parse(JSON.stringify({ ...EVENT, ...change }))), message)
    })

  it('comes in batches', () => {
    assert.equal(cloudEventsOf([EVENT, EVENT], 2).length, 2)
    refused(() => cloudEventsOf([EVENT, EVENT, EVENT], 2), /at most 2/)
    refused(() => cloudEventsOf([EVENT, { ...EVENT, id: '' }], 2), /event 1: id/)
    refused(() => cloudEventsOf(EVENT, 2), /not a JSON list/)
  })

  it('comes in headers and a body: the binary mode', () => {
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/s',
      'ce-type': 't',
      'ce-subject': 'Euro%20%E2%82%AC',
      host: 'ignored',
    }
    const event = binaryEventOf(headers, Buffer.from('{"a":1}'))
    assert.deepEqual(
      { ...event },
      {
        specversion: '1.0',
        id: '1',
        source: '/s',
        type: 't',
        subject: 'Euro €',
        datacontenttype: 'application/json; charset=utf-8',
        data: { a: 1 },
      },
    )
    const bytes = binaryEventOf({ ...headers, 'content-type': 'image/png' }, Buffer.from([1, 2]))
    assert.equal(bytes.data_base64, 'AQI=')
    assert.equal(binaryEventOf({ ...headers, 'content-type': 'text/plain' }, Buffer.from('hi')).data, 'hi')
    refused(() => binaryEventOf(headers, Buffer.from('{')), /not JSON/)
    refused(() => binaryEventOf(headers, Buffer.from([0xff])), /not UTF-8/)
    refused(() => binaryEventOf({ ...headers, 'ce-subject': '%E2%82' }, undefined), /percent-encoded/)
    refused(() => binaryEventOf({ ...headers, 'ce-data': 'x' }, undefined), /in a header of its own/)
  })

  it('never breaks anything, whatever is sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), (any, fields) => {
        for (const value of [any, { ...EVENT, ...fields }]) {
          try {
            cloudEventOf(value)
          } catch (error) {
            if (!(error instanceof PerdureError) || error.code !== 'ARGUMENT_INVALID') throw error
          }
        }
      }),
    )
  })
})

describe('a template', () => {
  const event = EVENT as unknown as Json

  it('takes values from where JSON Pointers point, as they are', () => {
    assert.deepEqual(
      filled(
        { id: '{/data/order/id}', all: ['{/data/items}', 1, true, null], first: '{/data/items/0}' },
        event,
      ),
      {
        id: 7,
        all: [['x', 'y'], 1, true, null],
        first: 'x',
      },
    )
    assert.equal(filled('{/data/order/a~1b~0c}', event), 'odd')
    assert.deepEqual(filled('{}', event), event)
  })

  it('takes texts and numbers into texts', () => {
    assert.equal(filledId('order-{/data/order/id}-{/comexampleregion}', event), 'order-7-eu')
    assert.equal(filledId('{{{/data/order/id}}}', event), '{7}')
  })

  it('says what an event lacks', () => {
    for (const template of [
      '{/data/none}',
      '{/data/items/2}',
      '{/data/items/length}',
      '{/data/items/-}',
      '{/toString}',
      '{/data/note/x}',
    ])
      assert.throws(() => filled(template, event), /INPUT_INVALID/, template)
    assert.throws(() => filledId('a-{/data/order}', event), /no text and no number/)
    assert.throws(() => filledId('a-{/data/note}', event), /no text and no number/)
  })

  it('is refused when its braces make no sense', () => {
    for (const template of ['{', '}', '{data}', '{/a', '{/a~2}', 'x{{{'])
      refused(() => checkTemplate(template), /brace|single/)
    checkTemplate({ a: ['{/b}', { c: '{{' }] })
  })

  it('without braces is itself', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        if (hasBraces(value)) return
        const json = JSON.parse(JSON.stringify(value)) as Json
        assert.deepEqual(filled(json, null), json)
      }),
    )
  })

  it('with any text in doubled braces is that text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const template = text.replaceAll('{', '{{').replaceAll('}', '}}')
        assert.equal(filled(template, null), text)
      }),
    )
  })
})

describe('a rule', () => {
  const rule = (match: object, rest: object = { start: { workflow: 'w', id: '{/id}' } }) =>
    checkedEventRule({ match, ...rest })
  const event = cloudEventOf(EVENT)

  it('matches by type, source, subject and extensions, with stars', () => {
    const matches = (match: object): boolean => isMatch(rule(match), event)
    assert.ok(matches({ type: 'com.example.order.created' }))
    assert.ok(matches({ type: 'com.example.*' }))
    assert.ok(matches({ type: '*.order.*', source: ['/none', '/shop/*'] }))
    assert.ok(matches({ attributes: { comexampleregion: 'e*u' } }))
    assert.ok(!matches({ type: 'com.example' }))
    assert.ok(!matches({ type: 'com.example.*', source: '/other' }))
    assert.ok(!matches({ attributes: { missing: '*' } }))
    assert.ok(!matches({ attributes: { data: '*' } }))
    assert.ok(!matches({ type: 'com.example.order.created*created' }))
    assert.ok(!isMatch(rule({ type: '*' }, { start: { workflow: 'w', id: 'x' }, paused: true }), event))
  })

  it('says what is to be done', () => {
    assert.deepEqual(effectOf(rule({ type: '*' }), event), {
      workflowId: 'A234-1234',
      start: { workflow: 'w', version: '1', input: EVENT.data },
    })
    const both = rule(
      { type: '*' },
      {
        start: {
          workflow: 'w',
          version: '2',
          id: 'o-{/data/order/id}',
          input: { n: '{/data/order/id}' },
          attributes: { region: '{/comexampleregion}' },
        },
        signal: { name: 's', id: 'o-{/data/order/id}', input: '{/data/items}' },
      },
    )
    assert.deepEqual(effectOf(both, event), {
      workflowId: 'o-7',
      start: { workflow: 'w', version: '2', input: { n: 7 }, attributes: { region: 'eu' } },
      signal: { name: 's', payload: ['x', 'y'] },
    })
  })

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing to match', { match: {}, start: { workflow: 'w', id: 'x' } }, /match is empty/],
    [
      'no attributes to match',
      { match: { attributes: {} }, start: { workflow: 'w', id: 'x' } },
      /match is empty/,
    ],
    ['nothing to do', { match: { type: 't' } }, /neither starts nor signals/],
    [
      'an unknown field',
      { match: { type: 't', kind: 'x' }, start: { workflow: 'w', id: 'x' } },
      /no object|field 'kind'/,
    ],
    [
      'two ids',
      { match: { type: 't' }, start: { workflow: 'w', id: 'x' }, signal: { name: 's', id: 'y' } },
      /differ/,
    ],
    ['a bad template', { match: { type: 't' }, start: { workflow: 'w', id: '{x}' } }, /JSON Pointer/],
    ['no id', { match: { type: 't' }, start: { workflow: 'w' } }, /start.id/],
  ]
  for (const [what, value, message] of wrong)
    it(`with ${what} is refused`, () => refused(() => checkedEventRule(value), message))

  it('with a star is a match as a simple search has it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
    const plain = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(
        text.filter((each) => each !== ''),
        plain,
        (pattern, value) => {
          const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(value)
          assert.equal(isMatch(rule({ subject: pattern }), { ...event, subject: value }), expected)
        },
      ),
    )
  })
})
