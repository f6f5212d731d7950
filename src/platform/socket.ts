/**
 * One end of a WebSocket, as far as connections of workers use it. That of `ws` is one: the types of that package are not
 * among those that a program which imports `perdure` has.
 */
export interface Socket {
  readonly url: string
  readonly readyState: number
  readonly OPEN: number
  on(event: 'open' | 'ping' | 'pong', listener: () => void): unknown
  on(event: 'close', listener: (code?: number) => void): unknown
  on(event: 'message', listener: (data: unknown) => void): unknown
  on(event: 'message' | 'ping' | 'pong', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'message' | 'ping' | 'pong', listener: () => void): unknown
  send(frame: string): void
  ping(): void
  close(code?: number, reason?: string): void
  terminate(): void
}
