/** A peer that takes no frame of that size ends the connection with this code: what is sent again ends the next one too. */
export const FRAME_TOO_LARGE = 1009

/** Of messages that share frames the largest one is at fault: a frame holds one large message, and else only small ones. */
export function largestOf<M>(messages: Iterable<M>): M | undefined {
  let largest: M | undefined
  let most = -1
  for (const message of messages) {
    const { length } = JSON.stringify(message)
    if (length <= most) continue
    most = length
    largest = message
  }
  return largest
}
