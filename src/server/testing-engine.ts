/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `createTestEngine`: an engine for tests of workflows. Time is skipped, randomness is seeded, faults are injected, code
 * that replay could not repeat is refused, and in the end every execution is replayed against its code.
 */
import type { EngineCounters } from '../engine/engine-counters.ts'
import { withoutWithdrawn } from '../engine/live-table.ts'
import { silentLogger } from '../platform/logger.ts'
import { openTracing } from '../platform/open-tracing.ts'
import type { ClientPort } from '../protocol/client-port.ts'
import { type Duration, durationMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Limits } from '../protocol/limits.ts'
import { Client, type ClientSettings } from '../sdk/client.ts'
import type { Workflow } from '../sdk/definition.ts'
import { replayRun } from '../sdk/testing/replay-run.ts'
import { tracedPort } from '../sdk/tracing/traced-port.ts'
import { TestHost } from './testing-host.ts'
import type { TestEngineOptions } from './testing-options.ts'
import { historyOf } from './testing-parked.ts'

export async function createTestEngine(options: TestEngineOptions): Promise<TestEngine> {
  const { logger = silentLogger } = options
  const about = { logger, codec: options.encryption }
  const tracing = await openTracing(options.tracing, 'createTestEngine()', about)
  const host = await TestHost.open(options)
  return new TestEngine(host, tracedPort(host.port, tracing), {
    ...options,
    client: (await host.opened).client,
  })
}

interface OpenedTestOptions extends TestEngineOptions {
  readonly client: ClientSettings
}

export class TestEngine extends Client implements AsyncDisposable {
  readonly #host: TestHost
  readonly #options: TestEngineOptions
  readonly #limits: Limits
  #isClosed = false

  /** @internal */
  constructor(host: TestHost, port: ClientPort, options: OpenedTestOptions) {
    const { client } = options
    super(port, {
      ...client,
      knows: (workflow, version) => host.definitions.has(`${workflow}\0${version}`),
    })
    this.#host = host
    this.#options = options
    this.#limits = client.limits
  }

  /** Time of the engine, ms since 1970. */
  now(): number {
    return this.#host.time.nowMs()
  }

  /**
   * Moves time on; resolves when everything that became due has run its course and the engine is quiet. `advance(0)` only
   * waits for quiet. A step function that goes on running is waited for `stepPatience`.
   */
  async advance(duration: Duration): Promise<void> {
    await this.#host.time.advance(durationMs(duration))
  }

  /** Crashes the engine and starts it again on the same data, with other workflows if given. Handles keep working. */
  async restart(options: { readonly workflows?: readonly Workflow[] } = {}): Promise<void> {
    this.#host.crash(options.workflows)
    await this.#host.restarted()
  }

  /** Crashes so far, by faults and by `restart`. */
  get crashes(): number {
    return this.#host.crashes
  }

  /** Commits so far, over all restarts: faults are placed by this number. */
  get commits(): number {
    return this.#host.store.commits
  }

  /** What the engine that runs now has counted. */
  async counters(): Promise<Readonly<EngineCounters>> {
    return (await this.#host.opened).engine.counters
  }

  /**
   * Closes the engine in good order, then replays every execution it ran, open and closed, against its code. Throws
   * `NONDETERMINISM` with all divergences. Parked executions whose `result()` has told the reason are not told again.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await this.#host.close()
      if (this.#options.replayOnClose !== false) await this.#replayAll()
    } finally {
      await this.#host.release()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #replayAll(): Promise<void> {
    const diverged: string[] = []
    for (const runId of this.#host.store.runs) {
      const found = await this.#replay(runId)
      if (found !== undefined) diverged.push(found)
    }
    if (diverged.length === 0) return
    throw new PerdureError(
      'NONDETERMINISM',
      `${diverged.length === 1 ? 'an execution diverges' : `${diverged.length} executions diverge`} in replay:\n${diverged.join('\n')}\n`,
    )
  }

  async #replay(runId: RunId): Promise<string | undefined> {
    const { store, parked, definitions } = this.#host
    const [row] = await store.inner.executions([runId])
    if (row === undefined || (row.status === 'parked' && parked.told.has(runId))) return undefined
    const { key, workflow, version } = row
    const definition = definitions.get(`${workflow}\0${version}`)
    if (definition === undefined) return undefined
    const events = (await historyOf(store.inner, runId)).map((event, i) => ({ seq: i + 1, event }))
    const [first] = events
    // A delayed start: its code has not run.
    if (first?.event.type === 'execution-started' && (first.event.notBefore ?? 0) > this.now())
      return undefined
    const info = { key, runId, workflow, version }
    const history = withoutWithdrawn(events)
    const failure = await replayRun({ definition, info, history, limits: this.#limits })
    if (failure === undefined) return undefined
    return `- execution ${key.workflowId}, workflow ${workflow} version ${version}: ${failure.message}`
  }
}
