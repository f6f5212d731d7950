/** How large frames and messages may be: each side computes it from the limit of one payload, which it knows. */

const ROOM_BYTES = 1024 * 1024
/** Small messages that share a frame with a large one: 256 Ki characters of UTF-8, three bytes each. */
const SHARED_BYTES = 3 * 256 * 1024

/** An engine takes no frame that is larger. Text in JSON may take twice its bytes, and small messages share a frame. */
export function frameBytesFor(payloadBytes: number): number {
  return 2 * payloadBytes + ROOM_BYTES
}

/** A message up to this size fits into a frame, whatever else is in that. */
export function messageBytesFor(payloadBytes: number): number {
  return frameBytesFor(payloadBytes) - SHARED_BYTES
}
