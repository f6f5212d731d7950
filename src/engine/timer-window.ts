/**
 * The part of all timers that is in memory: those due soon. All others stay in the store.
 *
 * 1. Every timer due up to the horizon is in memory or will be paged in before time reaches it.
 * 2. The horizon is raised first, then the store is read; a timer armed meanwhile is compared with the horizon when its
 *    batch commits. So each timer is seen by the page, by the comparison, or by both: entries are merged by id.
 * 3. Pages are bounded: what is in memory does not grow with the number of sleeping executions.
 */

import type { Cancel, Clock } from '../platform/clock.ts'
import type { RunId } from '../protocol/ids.ts'
import type { TimerRow } from '../store/contract/rows.ts'
import type { TimerPage } from '../store/contract/store.ts'
import type { TimerKind, TimerMetrics } from './metrics/timer-metrics.ts'

export interface DueTimer {
  readonly runId: RunId
  readonly timer: number
  readonly dueAt: number
  /** Of the execution; -1: it has none. */
  readonly shard: number
}

export interface TimerWindowOptions {
  readonly clock: Clock
  readonly timers: (page: TimerPage) => Promise<readonly TimerRow[]>
  /** Timers whose time has come. While it has not resolved for 500 of them, no further ones are given. */
  readonly onDue: (due: readonly DueTimer[]) => Promise<void>
  readonly onError: (error: unknown) => void
  /** How far ahead timers are held in memory, ms. Default 2,000. */
  readonly lookaheadMs?: number
  /** Rows of one page. Default 5,000. */
  readonly pageRows?: number
  readonly metrics?: { readonly of: TimerMetrics; readonly kind: TimerKind } | undefined
}

/** Due times may lie before 1970. */
const BEFORE_ALL: TimerPage['after'] = { dueAt: Number.MIN_SAFE_INTEGER, runId: '', timer: 0 }

/** Timers that are being fired, at most: their executions may have to be read, and run. */
const FIRE_LIMIT = 500

export class TimerWindow {
  readonly #options: TimerWindowOptions
  readonly #clock: Clock
  readonly #lookaheadMs: number
  readonly #pageRows: number
  #horizonMs = 0
  #isComplete = true
  #isPaging = false
  #after: TimerPage['after'] = BEFORE_ALL
  readonly #heap: DueTimer[] = []
  /** Due time of each timer in the heap, by run and timer; an entry of the heap that disagrees is stale. */
  readonly #known = new Map<string, number>()
  #wake: { readonly cancel: Cancel; readonly atMs: number } | undefined
  #isStopped = false
  /** Timers that `onDue` was given, and has not done yet. */
  #firing = 0

  constructor(options: TimerWindowOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#lookaheadMs = options.lookaheadMs ?? 2000
    this.#pageRows = options.pageRows ?? 5000
    options.metrics?.of.opened(options.metrics.kind, this)
  }

  get size(): number {
    return this.#known.size
  }

  start(): void {
    this.#advance()
  }

  stop(): void {
    this.#isStopped = true
    this.#wake?.cancel()
  }

  /**
   * Further timers belong to it from now on, as `timers` gives them: those due up to the horizon are read at once. Later ones
   * come with all others.
   */
  async include(timers: TimerWindowOptions['timers']): Promise<void> {
    const upToMs = this.#horizonMs
    let after = BEFORE_ALL
    for (;;) {
      const rows = await timers({ after, upToMs, limit: this.#pageRows })
      if (this.#isStopped) return
      for (const { runId, timer, dueAt, shard } of rows) this.#add({ runId, timer, dueAt, shard })
      this.#schedule()
      const last = rows.at(-1)
      if (last === undefined || rows.length < this.#pageRows) return
      after = { dueAt: last.dueAt, runId: last.runId, timer: last.timer }
    }
  }

  /** A batch that armed this timer has been committed. */
  armed(timer: DueTimer): void {
    if (timer.dueAt <= this.#horizonMs) {
      this.#add(timer)
      this.#schedule()
    }
  }

  dropped(runId: RunId, timer: number): void {
    if (this.#known.size > 0) this.#known.delete(`${runId}${timer}`)
  }

  #add(timer: DueTimer): void {
    const id = `${timer.runId}${timer.timer}`
    if (this.#known.get(id) === timer.dueAt) return
    this.#known.set(id, timer.dueAt)
    heapPush(this.#heap, timer)
  }

  #advance(): void {
    const now = this.#clock.nowMs()
    const target = now + this.#lookaheadMs
    const isNeeded = this.#isComplete
      ? this.#horizonMs <= target - this.#lookaheadMs / 2
      : this.#known.size < this.#pageRows || this.#after.dueAt <= now
    if (this.#isPaging || !isNeeded) return
    this.#isPaging = true
    if (this.#isComplete) this.#horizonMs = target
    const page = { after: this.#after, upToMs: this.#horizonMs, limit: this.#pageRows }
    this.#options.timers(page).then(
      (rows) => this.#paged(rows),
      (error) => {
        this.#isPaging = false
        if (!this.#isStopped) this.#options.onError(error)
      },
    )
  }

  #paged(rows: readonly TimerRow[]): void {
    if (this.#isStopped) return
    this.#isPaging = false
    for (const { runId, timer, dueAt, shard } of rows) this.#add({ runId, timer, dueAt, shard })
    this.#isComplete = rows.length < this.#pageRows
    const last = rows.at(-1)
    if (this.#isComplete) this.#after = { dueAt: this.#horizonMs, runId: '\uffff', timer: 0 }
    else if (last !== undefined) this.#after = { dueAt: last.dueAt, runId: last.runId, timer: last.timer }
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isStopped) return
    // A page has to follow before time reaches its first row; half of the lookahead is early enough.
    const nextPageMs = this.#isComplete ? this.#horizonMs - this.#lookaheadMs / 2 : this.#after.dueAt
    const pageAtMs = this.#isPaging ? Number.POSITIVE_INFINITY : nextPageMs
    const isFull = this.#firing >= FIRE_LIMIT
    const dueAtMs = isFull ? Number.POSITIVE_INFINITY : (this.#heap[0]?.dueAt ?? Number.POSITIVE_INFINITY)
    const atMs = Math.min(dueAtMs, pageAtMs)
    // A page that comes, or timers that were fired, go on from there.
    if (atMs === Number.POSITIVE_INFINITY) return
    if (this.#wake !== undefined) {
      if (this.#wake.atMs <= atMs) return
      this.#wake.cancel()
    }
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#wake = undefined
      this.#fire()
    })
    this.#wake = { cancel, atMs }
  }

  #fire(): void {
    const now = this.#clock.nowMs()
    const { metrics } = this.#options
    const due: DueTimer[] = []
    while (this.#firing + due.length < FIRE_LIMIT) {
      const top = this.#heap[0]
      if (top === undefined || top.dueAt > now) break
      heapPop(this.#heap)
      const id = `${top.runId}${top.timer}`
      if (this.#known.get(id) !== top.dueAt) continue
      this.#known.delete(id)
      due.push(top)
      metrics?.of.fired(metrics.kind, now - top.dueAt)
    }
    this.#firing += due.length
    this.#advance()
    this.#schedule()
    if (due.length === 0) return
    this.#options.onDue(due).then(
      () => {
        this.#firing -= due.length
        this.#schedule()
      },
      (error) => {
        if (!this.#isStopped) this.#options.onError(error)
      },
    )
  }
}

function heapPush(heap: DueTimer[], timer: DueTimer): void {
  let i = heap.push(timer) - 1
  while (i > 0) {
    const up = (i - 1) >> 1
    const parent = heap[up]
    if (parent === undefined || parent.dueAt <= timer.dueAt) break
    heap[i] = parent
    i = up
  }
  heap[i] = timer
}

function heapPop(heap: DueTimer[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let i = 0
  for (;;) {
    let down = 2 * i + 1
    let child = heap[down]
    if (child === undefined) break
    const right = heap[down + 1]
    if (right !== undefined && right.dueAt < child.dueAt) {
      down += 1
      child = right
    }
    if (last.dueAt <= child.dueAt) break
    heap[i] = child
    i = down
  }
  heap[i] = last
}
