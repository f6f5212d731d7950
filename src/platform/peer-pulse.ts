/** Whether the other side of a connection still lives: it is pinged, and given up when it was silent for too long. */
import type { WebSocket } from 'ws'

const SILENT_BEATS = 3

/**
 * @param heartbeatMs between two pings
 * @param onSilent called once; the socket is ended by then
 * @returns ends it
 */
export function watchPulse(
  socket: WebSocket,
  heartbeatMs: number,
  onSilent: (silentMs: number) => void,
): () => void {
  let heardAt = performance.now()
  const heard = (): void => {
    heardAt = performance.now()
  }
  for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, heard)
  let beatAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    // This process was stopped or busy itself: what has come meanwhile is not read yet.
    const wasAway = now - beatAt > 2 * heartbeatMs
    beatAt = now
    const silentMs = now - heardAt
    if (silentMs > SILENT_BEATS * heartbeatMs && !wasAway) {
      stop()
      socket.terminate()
      onSilent(silentMs)
    } else if (socket.readyState === socket.OPEN) socket.ping()
  }, heartbeatMs)
  const stop = (): void => {
    clearInterval(timer)
    for (const event of ['message', 'ping', 'pong'] as const) socket.off(event, heard)
  }
  return stop
}
