/** Payloads of peers that do not measure them themselves. */
import { PerdureError } from '../../protocol/errors.ts'
import { type Payload, payloadBytes } from '../../protocol/payload.ts'

/** UTF-8 has at most so many bytes for one UTF-16 unit, and what is written with a backslash takes as many or fewer. */
const BYTES_PER_CHARACTER = 3

/**
 * Throws `PAYLOAD_TOO_LARGE` if a payload anywhere in `message` is larger than the limit.
 *
 * @param characters of the frame that it came in: most are so short that nothing has to be measured
 */
export function checkPayloadSizes(message: unknown, characters: number, limitBytes: number): void {
  if (characters * BYTES_PER_CHARACTER > limitBytes) check(message, limitBytes)
}

function check(value: unknown, limitBytes: number): void {
  if (typeof value !== 'object' || value === null) return
  if (isPayload(value)) {
    if (payloadBytes(value, limitBytes) > limitBytes)
      throw new PerdureError('PAYLOAD_TOO_LARGE', `a payload is larger than ${limitBytes} bytes`)
    return
  }
  for (const each of Object.values(value)) check(each, limitBytes)
}

function isPayload(value: object): value is Payload {
  return Array.isArray(value) && value.length === 4 && value[0] === 1 && typeof value[1] === 'string'
}
