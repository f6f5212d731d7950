/** What is observed of group commits: each one that the store was asked for, parts of refused batches included. */
import type { Clock } from '../../platform/clock.ts'
import type { Counter, Histogram, Metric, MetricsRegistry } from '../../platform/metrics.ts'
import type { CommitOutcome } from '../../store/contract/batch.ts'
import { UnknownCommitError } from '../../store/contract/store.ts'
import { COMMIT_BYTES, COMMIT_ROWS, LATENCY_SECONDS } from './buckets.ts'

export class CommitMetrics {
  readonly #clock: Clock
  readonly #outcomes: Metric<Counter>
  readonly #duration: Histogram
  readonly #rows: Histogram
  readonly #bytes: Histogram

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.#clock = clock
    this.#outcomes = registry.counter({
      name: 'perdure_commits_total',
      help: 'Batches that the store was asked to commit, by outcome. `unknown`: the answer was lost, and is settled; `failed` stops the engine.',
      labels: ['outcome'],
    })
    this.#duration = registry
      .histogram({
        name: 'perdure_commit_duration_seconds',
        help: 'From when a batch is given to the store until its outcome is there.',
        unit: 'seconds',
        buckets: LATENCY_SECONDS,
      })
      .of()
    this.#rows = registry
      .histogram({
        name: 'perdure_commit_rows',
        help: 'Rows of a batch, about.',
        buckets: COMMIT_ROWS,
      })
      .of()
    this.#bytes = registry
      .histogram({
        name: 'perdure_commit_bytes',
        help: 'Size of a batch, about.',
        unit: 'bytes',
        buckets: COMMIT_BYTES,
      })
      .of()
  }

  /** The store has just been asked. */
  began(
    commit: Promise<CommitOutcome>,
    { rows, bytes }: { readonly rows: number; readonly bytes: number },
  ): void {
    const beganMs = this.#tickMs()
    this.#rows.observe(rows)
    this.#bytes.observe(bytes)
    const ended = (outcome: string): void => {
      this.#duration.observe((this.#tickMs() - beganMs) / 1000)
      this.#outcomes.of(outcome).add()
    }
    commit.then(
      ({ outcome }) => ended(outcome),
      // Told to whoever has asked for the commit.
      (error) => ended(error instanceof UnknownCommitError ? 'unknown' : 'failed'),
    )
  }

  #tickMs(): number {
    return this.#clock.tickMs?.() ?? this.#clock.nowMs()
  }
}
