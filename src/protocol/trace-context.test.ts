import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parsedTraceContext, traceContextShape, traceIdOf } from './trace-context.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const PARENT = `00-${TRACE}-${SPAN}-01`

describe('traceparent', () => {
  it('of version 00 is kept as it is', () => {
    assert.deepEqual(parsedTraceContext(PARENT), { traceparent: PARENT })
    assert.deepEqual(parsedTraceContext(` ${PARENT}\t`), { traceparent: PARENT })
    assert.equal(traceIdOf({ traceparent: PARENT }), TRACE)
  })

  it('of a later version is read as version 00, as far as that goes', () => {
    for (const more of ['', '-', '-what-ever'])
      assert.deepEqual(parsedTraceContext(`cc-${TRACE}-${SPAN}-01${more}`), { traceparent: PARENT })
  })

  it('flags without a meaning are not passed on', () => {
    for (const [given, kept] of [
      ['00', '00'],
      ['01', '01'],
      ['03', '03'],
      ['ff', '03'],
      ['fc', '00'],
    ])
      assert.equal(
        parsedTraceContext(`00-${TRACE}-${SPAN}-${given}`)?.traceparent,
        `00-${TRACE}-${SPAN}-${kept}`,
      )
  })

  for (const wrong of [
    undefined,
    null,
    7,
    [PARENT, PARENT],
    '',
    `${PARENT}-`,
    `${PARENT}x`,
    `ff-${TRACE}-${SPAN}-01`,
    `cc-${TRACE}-${SPAN}-01x`,
    `cc-${TRACE}-${SPAN}-01-${'x'.repeat(500)}`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-0`,
    `00-${TRACE}-${SPAN}-0g`,
    `00_${TRACE}_${SPAN}_01`,
    `${TRACE}-${SPAN}-01`,
  ])
    it(`${JSON.stringify(wrong)?.slice(0, 80)} is ignored, with its tracestate`, () => {
      assert.equal(parsedTraceContext(wrong, 'a=1'), undefined)
    })
})

describe('tracestate', () => {
  const stateOf = (given: unknown): string | undefined => parsedTraceContext(PARENT, given)?.tracestate

  it('is a list of members, in its order', () => {
    assert.equal(
      stateOf('congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'),
      'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
    )
    assert.equal(stateOf(' a=1 ,\t, b@vendor=x y '), 'a=1,b@vendor=x y')
    assert.equal(stateOf(['a=1', 'b=2,c=3']), 'a=1,b=2,c=3')
    assert.equal(stateOf('0tenant@sys=1'), '0tenant@sys=1')
  })

  const many = (count: number): string => Array.from({ length: count }, (_, i) => `k${i}=1`).join(',')
  it('has at most 32 members and 512 characters', () => {
    assert.equal(stateOf(many(32)), many(32))
    assert.equal(stateOf(many(33)), undefined)
    assert.equal(stateOf(`a=${'x'.repeat(256)},b=${'x'.repeat(251)}`)?.length, 512)
    assert.equal(stateOf(`a=${'x'.repeat(256)},b=${'x'.repeat(252)}`), undefined)
  })

  for (const wrong of [
    7,
    '',
    ',',
    'a',
    'a=',
    'A=1',
    '1a=1',
    '=1',
    'a=1,a=2',
    'a=b=c',
    'a=\u00e9',
    'a@=1',
    'a=x\ny',
  ])
    it(`${JSON.stringify(wrong)} is ignored, and the traceparent is not`, () => {
      assert.deepEqual(parsedTraceContext(PARENT, wrong), { traceparent: PARENT })
    })
})

it('whatever comes, what is kept is bounded, and parses again to the same', () => {
  const parts = fc.constantFrom(PARENT, TRACE, SPAN, '00-', '-01', 'cc-', 'a=1', ',', '=', ' ', '@', '\0')
  const texts = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 60 }).map((each) => each.join('')),
  )
  fc.assert(
    fc.property(
      fc.oneof(texts, fc.constant(PARENT), fc.anything()),
      fc.oneof(texts, fc.anything()),
      (a, b) => {
        const found = parsedTraceContext(a, b)
        if (found === undefined) return
        assert.equal(found.traceparent.length, 55)
        assert.ok((found.tracestate?.length ?? 0) <= 512)
        assert.deepEqual(parsedTraceContext(found.traceparent, found.tracestate), found)
        assert.deepEqual(traceContextShape({ ...found, more: 1 }), found)
      },
    ),
  )
  for (const wrong of [null, undefined, 1, 'x', [], {}]) assert.equal(traceContextShape(wrong), undefined)
})
