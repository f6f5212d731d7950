/** Whether the other side of a connection still lives: it is pinged, and given up when it was silent for too long. */

import { type Cancel, type Clock, systemClock } from './clock.ts'
import type { Socket } from './socket.ts'

const SILENT_BEATS = 3

export interface PulseOptions {
  /** Between two pings. */
  readonly heartbeatMs: number
  /** Called once; the socket is ended by then. */
  readonly onSilent: (silentMs: number) => void
  /** Default: that of the system. */
  readonly clock?: Clock
}

/** @returns ends it */
export function watchPulse(
  socket: Socket,
  { heartbeatMs, onSilent, clock = systemClock }: PulseOptions,
): () => void {
  const tickMs = (): number => clock.tickMs?.() ?? clock.nowMs()
  let heardAt = tickMs()
  const heard = (): void => {
    heardAt = tickMs()
  }
  for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, heard)
  let beatAt = tickMs()
  let cancel: Cancel
  const beat = (): void => {
    cancel = clock.after(heartbeatMs, beat)
    const now = tickMs()
    // This process was stopped or busy itself: what has come meanwhile is not read yet.
    const wasAway = now - beatAt > 2 * heartbeatMs
    beatAt = now
    const silentMs = now - heardAt
    if (silentMs > SILENT_BEATS * heartbeatMs && !wasAway) {
      stop()
      socket.terminate()
      onSilent(silentMs)
    } else if (socket.readyState === socket.OPEN) socket.ping()
  }
  cancel = clock.after(heartbeatMs, beat)
  const stop = (): void => {
    cancel()
    for (const event of ['message', 'ping', 'pong'] as const) socket.off(event, heard)
  }
  return stop
}
