/**
 * Group commit: transitions append to the open batch; while one batch commits, the next one fills.
 *
 * 1. One batch is in flight at a time, and batches commit in the order in which they were filled.
 * 2. A release runs only after the commit of its batch, in order; if the batch is dropped it gets an error instead.
 * 3. A batch is flushed as soon as the committer is free and no code is about to add to it; there is no timer. Under load
 *    it is flushed when it holds `FLUSH_ROWS` rows, so that the store works while the engine goes on.
 * 4. A batch is capped; what is not committed yet is bounded, beyond that intake is refused.
 */
import type { RunId } from '../protocol/ids.ts'
import type { CommitOutcome } from '../store/contract/batch.ts'
import type { BatchBuilder, RunWrites } from '../store/contract/batch-builder.ts'
import type { LiveExecution } from './live-execution.ts'
import { OpenBatch, type Release, type WaitingRelease } from './open-batch.ts'

export const BATCH_ROWS_LIMIT = 10_000
export const BATCH_BYTES_LIMIT = 8 * 1024 * 1024
/** Rows that are not committed; beyond this, starts and signals are answered with `OVERLOADED`. */
export const UNCOMMITTED_ROWS_LIMIT = 100_000

/** Rows that are worth a commit of their own while more are on their way. */
const FLUSH_ROWS = 256
/** Effects released before the code that they wake has its turns. */
const RELEASE_SLICE = 128
/** Turns that a batch waits for code that runs, so that a step's result and what follows from it share a commit. */
const FLUSH_TURNS = 3

export interface CommitterHost {
  /** Runs that are about to add to the batch. */
  readonly busyRuns: number
  /** No code is about to run, and no step runs. */
  readonly isIdle: boolean
  defer(call: () => void): void
  /** `isAwaited`: nothing else is to be done until it is committed. */
  commit(builder: BatchBuilder, isAwaited: boolean): Promise<CommitOutcome>
  /** The batch is durable; its releases run after this. */
  onCommitted(batch: OpenBatch<LiveExecution>): void
  /** Anything but `committed`: the host settles it, and calls `resolve` or `drop`. */
  onTrouble(batch: OpenBatch<LiveExecution>, outcome: CommitOutcome | { readonly error: unknown }): void
  /** Something is broken that must not be. */
  fail(error: unknown): void
}

export class Committer {
  readonly #host: CommitterHost
  #open = new OpenBatch<LiveExecution>()
  readonly #sealed: OpenBatch<LiveExecution>[] = []
  #sealedRows = 0
  #inFlight: OpenBatch<LiveExecution> | undefined
  #checkAsked = false
  #nesting = 0
  #halts = 0
  /** Releases of durable batches that have not run yet, in order. */
  #due: WaitingRelease[] = []
  #dueHead = 0
  #isReleasing = false
  #idleWaiters: (() => void)[] = []

  constructor(host: CommitterHost) {
    this.#host = host
  }

  /** The open batch, for a change of this execution. */
  batchFor(execution: LiveExecution): OpenBatch<LiveExecution> {
    if (execution.batch !== this.#open || execution.writes === undefined) {
      execution.batch = this.#open
      execution.writes = this.#open.builder.run(execution.state.runId)
      this.#open.executions.push(execution)
    }
    return this.#open
  }

  /** The batch that takes changes now. */
  get open(): OpenBatch<LiveExecution> {
    return this.#open
  }

  /** The last one with something in it that is not durable; undefined: all is. */
  get newest(): OpenBatch<LiveExecution> | undefined {
    return this.#open.builder.isEmpty ? (this.#sealed.at(-1) ?? this.#inFlight) : this.#open
  }

  /** The open batch's accumulator for a run that is not in memory. */
  writesFor(runId: RunId): RunWrites {
    return this.#open.builder.run(runId)
  }

  /** Runs `release` when what is in the open batch now is durable. */
  releaseAfterOpen(runId: RunId, release: Release): void {
    this.#await(this.#open, { runId, isStep: false, release })
  }

  /** Without those of the commit that is under way. */
  get uncommittedRows(): number {
    return this.#open.builder.rows + this.#sealedRows
  }

  get isOverloaded(): boolean {
    return this.uncommittedRows > UNCOMMITTED_ROWS_LIMIT
  }

  get isCommitting(): boolean {
    return this.#inFlight !== undefined
  }

  /** What became of a commit is being settled, or the engine starts over. */
  get isHalted(): boolean {
    return this.#halts > 0
  }

  get isIdle(): boolean {
    return (
      this.#inFlight === undefined &&
      this.#sealed.length === 0 &&
      this.#open.builder.isEmpty &&
      this.#due.length === 0
    )
  }

  /** Calls when nothing is left to commit. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => void this.#idleWaiters.push(resolve))
  }

  /** Runs `release` when everything known of the execution is durable. */
  release(execution: LiveExecution, release: Release): void {
    this.wait(execution, { runId: execution.state.runId, isStep: false, release })
  }

  wait({ batch }: Pick<LiveExecution, 'batch'>, waiting: WaitingRelease): void {
    if (batch !== undefined && !batch.isDone) this.#await(batch, waiting)
    else this.#releaseSoon(waiting)
  }

  /** All that `change` appends goes into one batch, also what it leads to in other executions. */
  together<T>(change: () => T): T {
    this.#nesting += 1
    try {
      return change()
    } finally {
      this.#nesting -= 1
    }
  }

  /** Something was appended. */
  touch(): void {
    if (this.#nesting > 0 || this.#open.dropped !== undefined) return
    const { rows, bytes } = this.#open.builder
    if (rows >= BATCH_ROWS_LIMIT || bytes >= BATCH_BYTES_LIMIT) this.#seal()
    if (this.#host.busyRuns > 0) return
    this.#askCheck()
  }

  /** A turn of workflow code has ended. */
  onTurnEnd(): void {
    if (!this.#open.builder.isEmpty) this.#open.turns += 1
    this.check()
  }

  check(): void {
    if (this.#inFlight !== undefined || this.#halts > 0 || this.#open.dropped !== undefined) return
    if (this.#sealed.length === 0) {
      const { builder, turns } = this.#open
      if (builder.isEmpty) return
      const isMoreComing = this.#host.busyRuns > 0 || this.#due.length > 0
      if (isMoreComing && builder.rows < FLUSH_ROWS && turns < FLUSH_TURNS) return
      this.#seal()
    }
    const batch = this.#sealed.shift()
    if (batch === undefined) return
    this.#sealedRows -= batch.builder.rows
    this.#inFlight = batch
    const isAwaited = this.#due.length === 0 && this.#sealed.length === 0 && this.#host.isIdle
    this.#host
      .commit(batch.builder, isAwaited)
      .then(
        (outcome) => {
          if (outcome.outcome === 'committed') this.resolve(batch)
          else this.#host.onTrouble(batch, outcome)
        },
        (error) => this.#host.onTrouble(batch, { error }),
      )
      .catch((error) => this.#host.fail(error))
  }

  /** The batch is durable. */
  resolve(batch: OpenBatch<LiveExecution>): void {
    batch.isDone = true
    this.#inFlight = undefined
    this.#host.onCommitted(batch)
    for (const each of batch.releases) this.#due.push(each)
    batch.releases.length = 0
    this.check()
    if (!this.#isReleasing) this.#release()
  }

  /** The batch in flight never became durable, and neither will any that was built on it. */
  dropAll(error: Error): void {
    const dropped = [this.#inFlight, ...this.#sealed, this.#open]
    this.#inFlight = undefined
    this.#sealed.length = 0
    this.#sealedRows = 0
    this.#open = new OpenBatch<LiveExecution>()
    for (const batch of dropped) {
      if (batch === undefined) continue
      batch.dropped = error
      for (const each of batch.releases) each.release(error)
    }
    this.#tellIdle()
  }

  /** Nothing is committed from now on: who waits, and who comes, gets the error. */
  end(error: Error): void {
    this.dropAll(error)
    this.#open.dropped = error
  }

  /** No batch is flushed until `proceed` was called as often: another session may be lost while one is being replaced. */
  halt(): void {
    this.#halts += 1
  }

  proceed(): void {
    this.#halts -= 1
    this.#askCheck()
  }

  #seal(): void {
    this.#sealed.push(this.#open)
    this.#sealedRows += this.#open.builder.rows
    this.#open = new OpenBatch<LiveExecution>()
  }

  /** Who asks late, for what was dropped, is told as well. */
  #await(batch: OpenBatch<LiveExecution>, waiting: WaitingRelease): void {
    if (batch.dropped === undefined) batch.releases.push(waiting)
    else waiting.release(batch.dropped)
  }

  #askCheck(): void {
    if (this.#checkAsked) return
    this.#checkAsked = true
    this.#host.defer(() => {
      this.#checkAsked = false
      this.check()
    })
  }

  #releaseSoon(waiting: WaitingRelease): void {
    this.#due.push(waiting)
    if (this.#isReleasing) return
    this.#isReleasing = true
    this.#host.defer(() => this.#release())
  }

  /** A slice at a time, so that what the first effects lead to is committed while the last ones still run. */
  #release(): void {
    this.#isReleasing = true
    for (let i = 0; i < RELEASE_SLICE; i++) {
      const next = this.#due[this.#dueHead]
      if (next === undefined) break
      this.#dueHead += 1
      next.release(undefined)
    }
    if (this.#dueHead < this.#due.length) {
      // After the turns of the code that this slice has woken, and the flush of what they led to.
      this.#host.defer(() => this.#host.defer(() => this.#release()))
      return
    }
    this.#due = []
    this.#dueHead = 0
    this.#isReleasing = false
    if (this.#inFlight === undefined) this.#askCheck()
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0 || !this.isIdle) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const waiter of waiters) waiter()
  }
}
