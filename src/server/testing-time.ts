/**
 * Time of a test engine: it stands still while anything happens, and is skipped when nothing does.
 *
 * 1. Time moves only when the engine is quiet: no code to run, nothing to commit, no step function running.
 * 2. It is skipped only while somebody waits for something that time can bring (a result, an answer to an update, an
 *    event), or by `advance`. So a test sees each moment it asks for.
 * 3. While step functions run, time passes as it does outside: a timer fires once they have run for as long as it is
 *    away. `advance` waits for them only for `stepPatienceMs`, so that a test can let a step time out.
 *
 * The globals are taken when this file is loaded: the guards and mocked timers of a test do not reach it.
 */
import type { Cancel, Clock } from '../platform/clock.ts'
import { VirtualClock } from '../platform/virtual-clock.ts'

const { setImmediate, setTimeout, clearTimeout } = globalThis
const realMs = performance.now.bind(performance)

/** The engine whose time it is. */
export interface TimedEngine {
  /** Code runs, something commits, or the engine is being started. */
  readonly isBusy: boolean
  readonly awaitedSteps: number
  /** The engine itself waits for its clock (a slow store, an orderly close): time passes though nobody else waits. */
  readonly isWaitingForClock: boolean
  /** Looks at what has come to rest; true if that made something happen. */
  onQuiet(): Promise<boolean>
  /** Something in the store is due some time. */
  hasTimers(): Promise<boolean>
}

interface Advance {
  readonly toMs: number
  readonly resolve: () => void
}

/** Turns without anything to do, after which the engine counts as quiet: callers' own continuations come in between. */
const QUIET_TURNS = 3
/** Busy turns after which the loop leaves the processor to others, and how long it sleeps then, ms. */
const SPIN_TURNS = 200
const PAUSE_MS = 1
/** A timer that is nearer than this still gives running steps so much real time, ms. */
const STEP_FLOOR_MS = 100

export class TestTime {
  readonly #clock: VirtualClock
  readonly #engine: TimedEngine
  readonly #stepPatienceMs: number
  readonly #isSkipping: boolean
  readonly #advances: Advance[] = []
  #waiting = 0
  #isLooping = false
  #pokes = 0
  #isStopped = false
  /** Real time at which running steps became the only thing that holds up time. */
  #stepsSinceMs: number | undefined
  readonly #onError: (error: unknown) => void

  constructor(options: {
    readonly startMs: number
    readonly engine: TimedEngine
    readonly stepPatienceMs: number
    readonly isSkipping: boolean
    readonly onError: (error: unknown) => void
  }) {
    this.#clock = new VirtualClock(options.startMs, (call) => void setImmediate(call))
    this.#engine = options.engine
    this.#stepPatienceMs = options.stepPatienceMs
    this.#isSkipping = options.isSkipping
    this.#onError = options.onError
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  /** The data is from a later time: the engine's clock never runs backwards, and neither does this. */
  catchUp(toMs: number): void {
    if (toMs > this.nowMs()) this.#clock.advance(toMs - this.nowMs())
  }

  /** A clock for one engine process. */
  view(): TestClock {
    return new TestClock(this.#clock, () => this.poke())
  }

  async advance(ms: number): Promise<void> {
    const pending = this.#advances.at(-1)?.toMs ?? this.nowMs()
    await new Promise<void>((resolve) => {
      this.#advances.push({ toMs: pending + ms, resolve })
      this.poke()
    })
  }

  /** Time is skipped while this waits. */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    this.poke()
    try {
      return await wait()
    } finally {
      this.#waiting -= 1
    }
  }

  /** Time stands still for good; who still waits for it is let go. */
  stop(): void {
    this.#isStopped = true
    for (const { resolve } of this.#advances.splice(0)) resolve()
  }

  /** Something may have changed. */
  poke(): void {
    this.#pokes += 1
    if (this.#isLooping || !this.#isWanted) return
    this.#isLooping = true
    this.#loop().catch((error) => {
      this.#isLooping = false
      this.#onError(error)
    })
  }

  get #isWanted(): boolean {
    if (this.#isStopped) return false
    return (
      this.#advances.length > 0 || this.#engine.isWaitingForClock || (this.#isSkipping && this.#waiting > 0)
    )
  }

  async #loop(): Promise<void> {
    let quiet = 0
    let busy = 0
    while (this.#isWanted) {
      await (busy > SPIN_TURNS ? pause() : new Promise<void>((resolve) => void setImmediate(resolve)))
      if (this.#engine.isBusy) {
        this.#stepsSinceMs = undefined
        quiet = 0
        busy += 1
        continue
      }
      if (this.#engine.awaitedSteps > 0) {
        quiet = 0
        busy = SPIN_TURNS + 1
        this.#passRealTime()
        continue
      }
      busy = 0
      this.#stepsSinceMs = undefined
      quiet += 1
      if (quiet < QUIET_TURNS) continue
      quiet = 0
      const pokes = this.#pokes
      if (await this.#engine.onQuiet()) continue
      if (await this.#move()) continue
      // Nothing to wait for; who pokes from now on starts the loop again.
      if (pokes === this.#pokes) break
    }
    this.#isLooping = false
  }

  /** Moves time by one timer, or to the end of an advance. False if there is nothing to wait for. */
  async #move(): Promise<boolean> {
    const advance = this.#advances[0]
    const next = this.#clock.nextMs()
    if (advance !== undefined) {
      if (next !== undefined && next <= advance.toMs) this.#clock.runNext()
      else {
        this.#clock.advance(Math.max(0, advance.toMs - this.nowMs()))
        this.#advances.shift()
        advance.resolve()
      }
      return true
    }
    if (next === undefined) return false
    if (!this.#engine.isWaitingForClock && !(await this.#engine.hasTimers())) return false
    this.#clock.runNext()
    return true
  }

  #passRealTime(): void {
    const now = realMs()
    this.#stepsSinceMs ??= now
    const passedMs = now - this.#stepsSinceMs
    const [advance] = this.#advances
    const next = this.#clock.nextMs()
    if (advance !== undefined) {
      if (passedMs < this.#stepPatienceMs) return
      if (next !== undefined && next <= advance.toMs) this.#clock.runNext()
      else {
        this.#clock.advance(Math.max(0, advance.toMs - this.nowMs()))
        this.#advances.shift()
        advance.resolve()
      }
      return
    }
    if (next === undefined || passedMs < Math.max(STEP_FLOOR_MS, next - this.nowMs())) return
    this.#clock.runNext()
    this.#stepsSinceMs = now
  }
}

/** The clock of one engine process: it dies with it. */
export class TestClock implements Clock {
  readonly #clock: VirtualClock
  readonly #onUse: () => void
  #deferred = 0
  #isDead = false

  constructor(clock: VirtualClock, onUse: () => void) {
    this.#clock = clock
    this.#onUse = onUse
  }

  /** Calls that will come in the next turns. */
  get deferred(): number {
    return this.#deferred
  }

  // Bound: the engine passes them on alone.
  readonly nowMs = (): number => this.#clock.nowMs()

  readonly after = (delayMs: number, call: () => void): Cancel => {
    this.#onUse()
    return this.#clock.after(delayMs, () => {
      if (!this.#isDead) call()
    })
  }

  readonly defer = (call: () => void): void => {
    this.#deferred += 1
    this.#onUse()
    this.#clock.defer(() => {
      this.#deferred -= 1
      if (!this.#isDead) call()
    })
  }

  /** No call comes any more. */
  stop(): void {
    this.#isDead = true
  }
}

async function pause(): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PAUSE_MS)
  })
  clearTimeout(timer)
}
