/** Encodes a value within the limit of payloads; tells when the limit is near. */
import { PerdureError } from '../protocol/errors.ts'
import { LIMIT_WARNING_SHARE, type Limits } from '../protocol/limits.ts'
import { encodeSized, type Payload } from '../protocol/payload.ts'

export interface PayloadWarner {
  /** Told when something is near its limit. */
  readonly warn?: (message: string, fields: { readonly bytes: number; readonly limit: number }) => void
}

export function checkedPayload(
  value: unknown,
  { payloadBytes: limit }: Limits,
  warner: PayloadWarner,
): Payload {
  return encodeSized(value, limit, limit * LIMIT_WARNING_SHARE, (bytes) => {
    if (bytes > limit) throw new PerdureError('PAYLOAD_TOO_LARGE', `a payload is larger than ${limit} bytes`)
    if (bytes > limit * LIMIT_WARNING_SHARE) warner.warn?.('a payload is near its limit', { bytes, limit })
  })
}
