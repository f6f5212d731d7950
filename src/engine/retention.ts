/**
 * Deletes closed executions and tasks some time after their end.
 *
 * Where the store keeps executions by the days on which they started, whole days are dropped. Rows go one by one where that is
 * not so, or not possible: while retention is shorter than two days, and from a day after the time of a day that has too much
 * that must stay.
 *
 * It walks all runs, and then all tasks, from the oldest to the newest and starts again, a page at a time: an open one in between costs one
 * look, and the tables need no index by time of closing.
 */
import type { RunId } from '../protocol/ids.ts'
import type { ClientCalls } from './client-calls.ts'
import type { Engine } from './engine.ts'

const PAGE_ROWS = 500
const PAGE_PAUSE_MS = 100
/** After a whole walk. */
const WALK_PAUSE_MS = 60_000
const DAY_MS = 86_400_000
/** Shorter ones are kept to the minute: waiting for the whole day would be too long. */
const BY_DAYS_FROM_MS = 2 * DAY_MS
/** Days are looked at so often. */
const DAYS_PAUSE_MS = 3_600_000

export class Retention {
  readonly #engine: Engine
  readonly #calls: ClientCalls
  readonly #retentionMs: number
  #after: RunId | undefined
  #cancel: (() => void) | undefined
  #isStopped = false
  #daysFromMs = Number.NEGATIVE_INFINITY

  constructor(engine: Engine, calls: ClientCalls, retentionMs: number) {
    this.#engine = engine
    this.#calls = calls
    this.#retentionMs = retentionMs
  }

  start(): void {
    this.#next(0)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #next(delayMs: number): void {
    if (this.#isStopped) return
    const { clock, logger } = this.#engine.options
    this.#cancel = clock.after(delayMs, () => {
      this.#page().then(
        (pauseMs) => this.#next(pauseMs),
        (error) => {
          if (this.#isStopped) return
          logger.warn('retention could not delete; it tries again', { error })
          this.#next(WALK_PAUSE_MS)
        },
      )
    })
  }

  async #page(): Promise<number> {
    const { store } = this.#engine.options
    const closedBefore = this.#engine.clock.nowMs() - this.#retentionMs
    await this.#dropDays(closedBefore)
    const rows = await store.list({
      closedBefore,
      oldestFirst: true,
      limit: PAGE_ROWS,
      ...this.#startedTo(closedBefore),
      ...(this.#after === undefined ? {} : { before: this.#after }),
    })
    await this.#calls.deleteClosed(rows.map(({ runId }) => runId))
    if (rows.length === PAGE_ROWS) {
      this.#after = rows.at(-1)?.runId
      return PAGE_PAUSE_MS
    }
    this.#after = undefined
    return this.#taskPage(closedBefore)
  }

  /** Runs of days that may still be dropped whole are left alone. */
  #startedTo(closedBefore: number): { readonly startedTo?: number } {
    if (this.#engine.options.store.dropDays === undefined || this.#retentionMs < BY_DAYS_FROM_MS) return {}
    return { startedTo: (Math.floor(closedBefore / DAY_MS) - 1) * DAY_MS }
  }

  async #dropDays(closedBefore: number): Promise<void> {
    const { clock, session, options } = this.#engine
    const { store, logger } = options
    if (store.dropDays === undefined || clock.nowMs() < this.#daysFromMs) return
    this.#daysFromMs = clock.nowMs() + DAYS_PAUSE_MS
    const { dropped, isBlocked } = await store.dropDays(session, closedBefore)
    if (isBlocked) this.#daysFromMs = clock.nowMs() + WALK_PAUSE_MS
    if (dropped.length > 0) logger.debug('retention has dropped days', { days: dropped })
  }

  async #taskPage(closedBefore: number): Promise<number> {
    const { store } = this.#engine.options
    for (let after = 0; ; ) {
      const rows = await store.listTasks({ closedBefore, oldestFirst: true, before: after, limit: PAGE_ROWS })
      await this.#calls.tasks.deleteClosed(
        rows.map(({ seq }) => seq),
        closedBefore,
      )
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS || this.#isStopped) break
      after = last.seq
    }
    return Math.min(WALK_PAUSE_MS, Math.max(PAGE_PAUSE_MS, this.#retentionMs))
  }
}
