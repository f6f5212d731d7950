/** One value per kind that the codec knows; `payloads.json` holds what they are encoded to. */
export const PAYLOAD_EXAMPLES: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  true: true,
  number: -12.5,
  'large number': 2 ** 53,
  text: 'grüße, 世界 \u0000 "quoted"',
  bigint: -12345678901234567890n,
  date: new Date('2024-02-29T12:34:56.789Z'),
  bytes: new Uint8Array([0, 127, 128, 255]),
  'no bytes': new Uint8Array(0),
  list: [1, 'two', [3, undefined, null]],
  object: { a: 1, b: { c: [true], d: undefined } },
  'object with a key $': { $: 'Date', v: 1 },
  'object with an undefined $': { $: undefined },
  'object with a key __proto__': JSON.parse('{"__proto__":{"a":1},"b":2}'),
  map: new Map<unknown, unknown>([
    ['a', 1],
    [{ key: new Date(0) }, new Map([[1n, undefined]])],
  ]),
  set: new Set<unknown>(['a', 1, null, new Set([2])]),
}
