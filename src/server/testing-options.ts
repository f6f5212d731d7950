/** Options of a test engine. */
import type { Duration } from '../protocol/duration.ts'
import type { Store } from '../store/contract/store.ts'
import type { EngineSettings } from './engine-settings.ts'
import type { Fault } from './testing-store.ts'

export interface TestEngineOptions extends Omit<EngineSettings, 'store'> {
  /** Default: in memory. With `'sqlite:PATH'` the file is closed and opened again at each crash. */
  readonly store?: string | Store
  /** Same seed: same ids, jitter and order. Default 1. */
  readonly seed?: number
  /** Time of the engine at its start. Default: 2025-01-01 in UTC; with a `store`: now. */
  readonly startTime?: Date | number
  readonly faults?: readonly Fault[]
  /** Skip time while somebody waits for a result, an update or an event. Default true; else only `advance` moves it. */
  readonly skipTime?: boolean
  /** How long, in real time, `advance` waits for running steps before it moves on. Default `'250ms'`. */
  readonly stepPatience?: Duration
  /** Replay every execution when the engine is closed, and throw if one diverges. Default true. */
  readonly replayOnClose?: boolean
  /** Default true. */
  readonly determinismGuards?: boolean
}
