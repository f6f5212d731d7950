/** Encodes a value within the limit of payloads; tells when the limit is near. */
import { PerdureError } from '../protocol/errors.ts'
import { LIMIT_WARNING_SHARE, type Limits } from '../protocol/limits.ts'
import { encodePayload, type Payload, payloadBytes } from '../protocol/payload.ts'

export type Warn = (message: string, fields: { readonly bytes: number; readonly limit: number }) => void

export function checkedPayload(value: unknown, limits: Limits, warn: Warn | undefined): Payload {
  const limit = limits.payloadBytes
  const payload = encodePayload(value, limit)
  const bytes = payloadBytes(payload, limit)
  if (bytes > limit) throw new PerdureError('PAYLOAD_TOO_LARGE', `a payload is larger than ${limit} bytes`)
  if (bytes > limit * LIMIT_WARNING_SHARE) warn?.('a payload is near its limit', { bytes, limit })
  return payload
}
