/** Time. Engine and worker never ask the system themselves, so a simulation can own it. All times are ms. */

export type Cancel = () => void

export interface Clock {
  /** ms since 1970. */
  nowMs(): number
  /** ms since some moment, never set by anybody: for what has passed. Default: `nowMs`. */
  tickMs?(): number
  /** Calls once, not before `delayMs` ms have passed. */
  after(delayMs: number, call: () => void): Cancel
  /** Calls once in a later macrotask: all microtasks of this one have run by then. */
  defer(call: () => void): void
}

/** The longest delay that the system's timers take; longer ones are cut into pieces. */
const LONGEST_DELAY_MS = 2_147_483_647

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  tickMs: () => performance.now(),
  after: (delayMs, call) => {
    let timer: NodeJS.Timeout
    const wait = (restMs: number): void => {
      if (restMs > LONGEST_DELAY_MS)
        timer = setTimeout(() => wait(restMs - LONGEST_DELAY_MS), LONGEST_DELAY_MS)
      else timer = setTimeout(call, restMs)
    }
    wait(Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
  defer: (call) => {
    setImmediate(call)
  },
}

/** The clock that is the right one at the time of each call. */
export function forwardingClock(current: () => Clock): Clock {
  return {
    nowMs: () => current().nowMs(),
    tickMs: () => current().tickMs?.() ?? current().nowMs(),
    after: (delayMs, call) => current().after(delayMs, call),
    defer: (call) => current().defer(call),
  }
}

/**
 * A clock that never runs backwards: not when the system's clock is set back, and not across a restart, since `floorMs` is
 * the highest time of any commit before. It does not stand still either: while the system's clock is behind, time goes on
 * from the highest value at the pace of what has really passed.
 */
export function monotonicClock(clock: Clock, floorMs: number, onBehind?: (behindMs: number) => void): Clock {
  const tickMs = (): number => clock.tickMs?.() ?? clock.nowMs()
  let baseMs = Math.max(floorMs, clock.nowMs())
  let baseTickMs = tickMs()
  /** The last answer, if it was the system's. */
  let lastMs: number | undefined
  let isBehind = false
  return {
    nowMs: () => {
      const now = clock.nowMs()
      // The same millisecond as before needs no second look: most calls come many to a millisecond.
      if (now === lastMs) return now
      const tick = tickMs()
      const steady = Math.floor(baseMs + Math.max(0, tick - baseTickMs))
      if (now >= steady) {
        lastMs = now
        baseMs = now
        baseTickMs = tick
        isBehind = false
        return now
      }
      lastMs = undefined
      if (!isBehind && steady - now >= BEHIND_MS) {
        isBehind = true
        onBehind?.(steady - now)
      }
      return steady
    },
    tickMs,
    after: (delayMs, call) => clock.after(delayMs, call),
    defer: (call) => clock.defer(call),
  }
}

/** A clock set back by less is nobody's business. */
const BEHIND_MS = 1000
