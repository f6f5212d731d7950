/// <reference lib="esnext.disposable" preserve="true" />
/** `createEngine`: an engine in this process. */
import type { Engine } from '../engine/engine.ts'
import type { EngineCounters } from '../engine/engine-counters.ts'
import { type MetricsText, metricsText } from '../platform/metrics-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import { Client } from '../sdk/client.ts'
import type { ReplicatedStore, ShownReadCounts } from '../store/contract/shown-reads.ts'
import type { Store } from '../store/contract/store.ts'
import type { EngineAccess } from './access/open-closed-access.ts'
import type { EngineAudit } from './audit/engine-audit.ts'
import { checkSettingNames, type EngineSeams, type EngineSettings } from './engine-settings.ts'
import type { Listener, ListenOptions } from './listen/listen-options.ts'
import { type OpenedEngine, openEngine } from './open-engine.ts'

/** An engine in this process: starts and runs executions, and answers for them. */
export class EmbeddedEngine extends Client implements AsyncDisposable {
  readonly #engine: Engine
  readonly #opened: OpenedEngine

  /** @internal */
  constructor(opened: OpenedEngine) {
    super(opened.port, opened.client)
    this.#engine = opened.engine
    this.#opened = opened
  }

  /** Counts since the start, for benchmarks and tests. */
  get counters(): Readonly<EngineCounters> {
    return this.#engine.counters
  }

  /** With `readStore`: how many reads of lists and history the replica has answered since the start, and how many the primary. */
  get replicaCounts(): ShownReadCounts | undefined {
    const store: Store & Partial<ReplicatedStore> = this.#engine.options.store
    return store.shown === undefined ? undefined : store.shownCounts
  }

  /** With `access`: keys, roles, policies and namespaces, in the name of a caller. */
  get access(): EngineAccess | undefined {
    return this.#opened.access
  }

  /**
   * What it has observed of itself, as text for Prometheus: for an HTTP server of your own.
   *
   * @param accept the header `accept` of the request: OpenMetrics 1.0 if it prefers that. Default: text format 0.0.4
   * @throws PerdureError `ARGUMENT_INVALID` with `createEngine({ metrics: false })`
   */
  metricsText(accept?: string): MetricsText {
    const { metrics } = this.#engine.options
    if (metrics === undefined)
      throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ metrics }) is false: nothing is observed')
    return metricsText(metrics.registry, accept)
  }

  /** Nothing runs and nothing is to be committed. */
  get isQuiet(): boolean {
    return this.#engine.isQuiet
  }

  get isFailed(): boolean {
    return this.#engine.isFailed
  }

  /** With `audit`: what was recorded. */
  get audit(): EngineAudit | undefined {
    return this.#opened.audit
  }

  /** In a cluster: where this node listens for workers, clients and other nodes, such as `ws://127.0.0.1:7233`. */
  get url(): string | undefined {
    return this.#opened.member?.url
  }

  /** In a cluster: shards that this node has now. */
  get shards(): number {
    return this.#engine.ownership.size
  }

  /** Lets workers (`createWorker({ url, … })`) and clients (`connect(url)`) of other processes in. On this machine only. */
  async listen(options?: ListenOptions): Promise<Listener> {
    this.#engine.assertOpen()
    return this.#opened.listen(options)
  }

  /** Takes no more calls, lets running steps finish (up to `shutdownGrace`), commits, and closes the store. */
  async close(): Promise<void> {
    await this.#opened.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export async function createEngine(settings: EngineSettings): Promise<EmbeddedEngine> {
  checkSettingNames(settings)
  return assembleEngine(settings, {})
}

/** @internal */
export async function assembleEngine(settings: EngineSettings, seams: EngineSeams): Promise<EmbeddedEngine> {
  return new EmbeddedEngine(await openEngine(settings, seams))
}
