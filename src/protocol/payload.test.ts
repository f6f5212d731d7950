import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PerdureError } from './errors.ts'
import { decodePayload, encodePayload, encodeSized, type Payload, payloadBytes } from './payload.ts'

/** What a store does with it. */
const stored = (payload: Payload): Payload => JSON.parse(JSON.stringify(payload)) as Payload

const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', '$', 'v', 'constructor', 'toString', ''))

const value = fc.letrec<{ readonly any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\0', '\ud800', '\u2028', '$'),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array(),
    ),
    fc.array(tie('any'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('any')), { maxLength: 5 }).map(plainObject),
    fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('any'), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).any

/** Own properties under any name, `__proto__` too. */
function plainObject(entries: readonly (readonly [string, unknown])[]): object {
  const made = {}
  for (const [name, item] of entries)
    Object.defineProperty(made, name, { value: item, enumerable: true, writable: true, configurable: true })
  return made
}

const refused = (what: unknown): PerdureError => {
  try {
    encodePayload(what)
  } catch (error) {
    assert.ok(error instanceof PerdureError)
    assert.equal(error.code, 'PAYLOAD_UNSUPPORTED')
    return error
  }
  throw new assert.AssertionError({ message: `accepted: ${String(what)}` })
}

describe('payload', () => {
  test('what is not measured is not large', () => {
    const fromBytes = fc.integer({ min: 1, max: 4_000 })
    fc.assert(
      fc.property(value, fromBytes, (any, from) => {
        let measured: number | undefined
        const payload = encodeSized(any, Number.MAX_SAFE_INTEGER, from, (bytes) => {
          measured = bytes
        })
        if (measured !== undefined) assert.equal(measured, payloadBytes(payload))
        else if (any !== undefined) assert.ok(Buffer.byteLength(JSON.stringify(payload[3])) <= from)
      }),
      { numRuns: 1_000 },
    )
  })

  test('every supported value comes back as it was, from memory and from a store', () => {
    fc.assert(
      fc.property(value, (any) => {
        const payload = encodePayload(any)
        assert.deepStrictEqual(decodePayload(payload), any)
        assert.deepStrictEqual(decodePayload(stored(payload)), any)
      }),
      { numRuns: 500 },
    )
  })

  test('its size is never underestimated', () => {
    fc.assert(
      fc.property(value, (any) => {
        const payload = encodePayload(any)
        assert.ok(payloadBytes(payload) >= Buffer.byteLength(JSON.stringify(payload)))
      }),
      { numRuns: 500 },
    )
  })

  test('counting stops soon after the limit', () => {
    let looked = 0
    const items = Array.from({ length: 100_000 }, () => 'x'.repeat(10))
    const counted = new Proxy(items, {
      get: (target, name, receiver) => {
        looked += 1
        return Reflect.get(target, name, receiver)
      },
    })
    assert.ok(payloadBytes([1, 'json', null, counted], 1000) > 1000)
    assert.ok(looked < 1000, `${looked} looks`)
  })

  test('is a copy, in both directions', () => {
    const list = [1]
    const payload = encodePayload({ list })
    list.push(2)
    const first = decodePayload(payload) as { list: number[] }
    first.list.push(3)
    assert.deepEqual(decodePayload(payload), { list: [1] })
  })

  test('minus zero is zero, before and after it was stored', () => {
    assert.ok(Object.is(decodePayload(encodePayload(-0)), 0))
    assert.ok(Object.is((decodePayload(encodePayload({ a: [-0] })) as { a: number[] }).a[0], 0))
  })

  test('a key of __proto__ gives nobody a prototype', () => {
    const hostile = JSON.parse('{"__proto__": {"admin": true}, "a": 1}') as object
    const back = decodePayload(stored(encodePayload(hostile))) as { admin?: boolean }
    assert.equal(back.admin, undefined)
    assert.equal(Object.getPrototypeOf(back), Object.prototype)
    assert.deepStrictEqual(back, hostile)
  })

  test('plain objects without prototype, Buffer and subclasses come back as the plain kind', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 })
    assert.deepStrictEqual(decodePayload(encodePayload(bare)), { a: 1 })
    assert.deepStrictEqual(decodePayload(encodePayload(Buffer.from([1, 2]))), new Uint8Array([1, 2]))
    assert.deepStrictEqual(
      decodePayload(encodePayload(new Uint8Array([9, 1, 2, 9]).subarray(1, 3))),
      new Uint8Array([1, 2]),
    )
  })

  class Point {
    x = 1
  }
  const cycle: unknown[] = []
  cycle.push({ again: cycle })
  const shared = { a: 1 }

  const cases: readonly (readonly [what: string, value: unknown, message: RegExp])[] = [
    ['a function', () => 1, /the value is a function/],
    ['a symbol', Symbol('s'), /the value is a symbol/],
    ['NaN', { a: { b: Number.NaN } }, /at a\.b is the number NaN/],
    ['infinity', [1, Number.NEGATIVE_INFINITY], /at \[1\] is the number -Infinity/],
    ['an invalid date', { when: [new Date(Number.NaN)] }, /at when\[0\] is an invalid Date/],
    ['a class instance', { point: new Point() }, /at point is an instance of Point/],
    ['an error', new TypeError('x'), /an instance of TypeError/],
    ['a promise', { p: Promise.resolve() }, /at p is an instance of Promise/],
    ['another typed array', new Float64Array(1), /an instance of Float64Array/],
    ['an ArrayBuffer', new ArrayBuffer(1), /an instance of ArrayBuffer/],
    ['a regular expression', /x/, /an instance of RegExp/],
    ['a boxed number', Object(5), /an instance of Number/],
    ['a symbol key', { [Symbol('s')]: 1 }, /symbol keys/],
    ['a cycle', cycle, /at \[0\]\.again is a cycle/],
    ['a cycle through a Map', mapInItself(), /\[Map entry 0\] is a cycle/],
    ['a hole in an array', withHole(), /at \[1\] is a hole in an array/],
    ['something in a Set', new Set([1, () => 1]), /\[Set item 1\] is a function/],
    ['a key of a Map', new Map([[Symbol('k'), 1]]), /\[Map entry 0\] is a symbol/],
    ['an anonymous class', new (class {})(), /an instance of a class/],
  ]
  for (const [what, unsupported, message] of cases) {
    test(`refuses ${what}, and says where`, () => {
      assert.match(refused(unsupported).message, message)
    })
  }

  test('the same object twice is no cycle', () => {
    assert.deepStrictEqual(decodePayload(encodePayload([shared, shared])), [shared, shared])
  })

  test('nesting has a limit, so that no stack overflows', () => {
    const nested = (depth: number): unknown => {
      let inner: unknown = 'core'
      for (let i = 0; i < depth; i++) inner = i % 2 === 0 ? [inner] : { inner }
      return inner
    }
    assert.deepStrictEqual(decodePayload(encodePayload(nested(200))), nested(200))
    assert.match(refused(nested(201)).message, /nesting deeper than 200/)
    assert.match(refused(nested(100_000)).message, /nesting deeper than 200/)
  })

  test('a huge sparse array is refused at once', () => {
    assert.match(refused(new Array(4_000_000_000)).message, /\[0\] is a hole/)
  })

  test('a payload of another codec, an unknown tag or an encrypted one is unreadable, not misread', () => {
    for (const payload of [
      [2, 'json', null, 1],
      [1, 'cbor', null, 1],
      [1, 'json', 'key-1', 'x'],
      [1, 'json', null, { $: 'Point', v: 1 }],
    ])
      assert.throws(() => decodePayload(payload as unknown as Payload), { code: 'PAYLOAD_UNREADABLE' })
  })

  test('the envelope is frozen: this is what files of the first release hold', () => {
    const all = {
      text: 'ä"\n',
      number: 1.5,
      nothing: null,
      missing: undefined,
      big: 12n,
      when: new Date(0),
      bytes: new Uint8Array([0, 255]),
      map: new Map<unknown, unknown>([['a', 1]]),
      set: new Set([1]),
      $: 'dollar',
    }
    assert.equal(
      JSON.stringify(encodePayload(all)),
      '[1,"json",null,{"$":"object","v":{"text":"ä\\"\\n","number":1.5,"nothing":null,"missing":{"$":"undefined"},"big":{"$":"bigint","v":"12"},"when":{"$":"Date","v":0},"bytes":{"$":"Uint8Array","v":"AP8="},"map":{"$":"Map","v":[["a",1]]},"set":{"$":"Set","v":[1]},"$":"dollar"}}]',
    )
  })
})

function withHole(): number[] {
  const list = [1]
  list[2] = 3
  return list
}

function mapInItself(): Map<string, unknown> {
  const map = new Map<string, unknown>()
  map.set('self', map)
  return map
}

describe('the size of a payload', () => {
  const text = 'x'.repeat(1_000_000)
  const shapes: [what: string, value: unknown][] = [
    ['a text', text],
    ['texts in an array', [text]],
    ['texts in arrays in arrays', [[[text]]]],
    ['a text in an object', { a: { b: text } }],
    ['a key', { [text]: 1 }],
    ['a text in a Map', new Map([['a', text]])],
    ['a key of a Map', new Map([[text, 1]])],
    ['a text in a Set', new Set([text])],
    ['bytes', new Uint8Array(1_000_000)],
    ['a big integer', 10n ** 100_000n],
    ['numbers', Array.from({ length: 100_000 }, (_, i) => i)],
    ['many small texts', Array.from({ length: 100_000 }, () => 'abc')],
    ['many small objects', Array.from({ length: 50_000 }, () => ({ a: 1 }))],
  ]
  for (const [what, value] of shapes)
    test(`is told, or refused, whatever makes it large: ${what}`, () => {
      const sizes: number[] = []
      try {
        encodeSized(value, 50_000, 40_000, (bytes) => sizes.push(bytes))
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'PAYLOAD_TOO_LARGE')
        assert.match(String(error), /larger than limits\.payloadBytes, 50000 bytes/)
        return
      }
      assert.ok((sizes[0] ?? 0) > 50_000, String(sizes))
    })
})
