/**
 * Arrays in PostgreSQL's binary format, one for each column of what a batch writes. Binary, because the text format would
 * escape each quote of a JSON text, and would be parsed on the other side.
 *
 * Source: `array_recv` and the `*recv` functions of the element types: number of dimensions, has nulls, type of the
 * elements, number of elements, lower bound; then each element as its length in bytes, or -1 for null, and its bytes.
 * Integers are big-endian.
 */

const HEADER_BYTES = 20
const NULL_LENGTH = -1

export const ELEMENT_TYPES = { bool: 16, int8: 20, int4: 23, text: 25, float8: 701 } as const

function withHeader(elementType: number, length: number, elementBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + elementBytes)
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(elementType, 8)
  buffer.writeInt32BE(length, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}

/** @param values -2^31 to 2^31 - 1 */
export function int4Array(values: readonly number[]): Buffer {
  const buffer = withHeader(ELEMENT_TYPES.int4, values.length, 8 * values.length)
  let at = HEADER_BYTES
  for (const value of values) {
    buffer.writeInt32BE(4, at)
    buffer.writeInt32BE(value, at + 4)
    at += 8
  }
  return buffer
}

/** No column has a place for this value: whoever writes it is refused. */
export class NotStorableError extends Error {
  override readonly name = 'NotStorableError'
}

/** @throws NotStorableError for what is no safe integer: as two halves it would become another number */
export function int8Array(values: readonly (number | null)[]): Buffer {
  let nulls = 0
  for (const value of values) if (value === null) nulls++
  const buffer = withHeader(ELEMENT_TYPES.int8, values.length, 12 * values.length - 8 * nulls)
  let at = HEADER_BYTES
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(NULL_LENGTH, at)
      at += 4
      continue
    }
    if (!Number.isSafeInteger(value)) throw new NotStorableError(`${value} is not a safe integer`)
    buffer.writeInt32BE(8, at)
    const high = Math.floor(value / 0x1_0000_0000)
    buffer.writeInt32BE(high, at + 4)
    buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 8)
    at += 12
  }
  return buffer
}

export function float8Array(values: readonly number[]): Buffer {
  const buffer = withHeader(ELEMENT_TYPES.float8, values.length, 12 * values.length)
  let at = HEADER_BYTES
  for (const value of values) {
    buffer.writeInt32BE(8, at)
    buffer.writeDoubleBE(value, at + 4)
    at += 12
  }
  return buffer
}

export function boolArray(values: readonly boolean[]): Buffer {
  const buffer = withHeader(ELEMENT_TYPES.bool, values.length, 5 * values.length)
  let at = HEADER_BYTES
  for (const value of values) {
    buffer.writeInt32BE(1, at)
    buffer[at + 4] = value ? 1 : 0
    at += 5
  }
  return buffer
}

/** @param values no NUL, no lone surrogates: PostgreSQL refuses the one, the other would become another text */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = 4 * values.length
  for (const value of values) if (value !== null) bytes += Buffer.byteLength(value)
  const buffer = withHeader(ELEMENT_TYPES.text, values.length, bytes)
  let at = HEADER_BYTES
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(NULL_LENGTH, at)
      at += 4
      continue
    }
    const length = buffer.write(value, at + 4)
    buffer.writeInt32BE(length, at)
    at += 4 + length
  }
  return buffer
}
