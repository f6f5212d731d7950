/** How many are connected to the doors of an engine, by what they are. */
import type { WebSocket } from 'ws'

export type ConnectionKind = 'client' | 'worker' | 'node'

export class ConnectionCounts {
  readonly open: Record<ConnectionKind, number> = { client: 0, worker: 0, node: 0 }

  /** Until it closes. */
  count(kind: ConnectionKind, socket: WebSocket): void {
    this.open[kind] += 1
    socket.once('close', () => {
      this.open[kind] -= 1
    })
  }
}
