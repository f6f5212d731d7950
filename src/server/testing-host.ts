/**
 * What a test engine consists of: one store, one time, and one engine after the other.
 *
 * A crash abandons the engine (its clock and its store no longer answer it, its code is dropped) and starts another one on
 * the same data. Step functions that were running go on, as there is no process to kill: what they return is ignored.
 */
import { type Logger, silentLogger } from '../platform/logger.ts'
import { type Randomness, seededRandomness } from '../platform/randomness.ts'
import type { ExecutionTarget } from '../protocol/client-port.ts'
import { durationMs } from '../protocol/duration.ts'
import type { RunId, WorkflowKey } from '../protocol/ids.ts'
import type { Workflow } from '../sdk/definition.ts'
import { installDeterminismGuards } from '../sdk/runtime/determinism-guards.ts'
import { keepFloatingRejections } from '../sdk/runtime/floating-rejections.ts'
import type { Store } from '../store/contract/store.ts'
import { type OpenedEngine, openEngine } from './open-engine.ts'
import { openStore } from './open-store.ts'
import type { TestEngineOptions } from './testing-options.ts'
import { ParkedWatch } from './testing-parked.ts'
import { type EngineLife, TestPort } from './testing-port.ts'
import { type StoreView, TestStore } from './testing-store.ts'
import { type TestClock, TestTime, type TimedEngine } from './testing-time.ts'

/** So far ahead that no timer is ever out of the window: skipped time would otherwise stop at each page. */
const LOOKAHEAD_MS = 20_000_000_000_000
const DEFAULT_START_MS = Date.UTC(2025, 0, 1)
const DEFAULT_SEED = 1

/** One engine process. */
interface Life extends EngineLife {
  readonly opened: OpenedEngine
  readonly clock: TestClock
  readonly view: StoreView
  isDead: boolean
  readonly die: (error: Error) => void
}

export class TestHost implements TimedEngine {
  readonly time: TestTime
  readonly store: TestStore
  readonly parked: ParkedWatch
  readonly port: TestPort
  /** Code by workflow and version: the newest that was registered. */
  readonly definitions = new Map<string, Workflow>()
  readonly #options: TestEngineOptions
  readonly #random: Randomness
  #workflows: readonly Workflow[]
  #life: Life | undefined
  #opening: Promise<Life>
  #isClosing = false
  readonly #installed: (() => void)[] = []
  crashes = 0

  private constructor(options: TestEngineOptions, inner: Store) {
    this.#options = options
    this.#workflows = options.workflows ?? []
    this.#random = seededRandomness(options.seed ?? DEFAULT_SEED)
    const startMs = options.startTime ?? (options.store === undefined ? DEFAULT_START_MS : Date.now())
    this.time = new TestTime({
      startMs: Number(startMs),
      engine: this,
      stepPatienceMs: durationMs(options.stepPatience ?? '250ms', 'stepPatience'),
      isSkipping: options.skipTime ?? true,
      onError: (error) => this.#life?.opened.engine.fail(error),
    })
    this.store = new TestStore(inner, options.faults ?? [], () => this.crash())
    this.parked = new ParkedWatch(this.store)
    this.port = new TestPort({
      life: () => this.#opening,
      clock: this.time,
      random: this.#random,
      whileWaiting: (wait) => this.time.whileWaiting(wait),
      currentRun: async (key: WorkflowKey): Promise<RunId | undefined> =>
        (await this.store.inner.currents([key]))[0],
      parked: (target: ExecutionTarget) => this.parked.watch(target),
    })
    // For the whole life, the replay at its end included.
    this.#installed.push(keepFloatingRejections())
    if (options.determinismGuards !== false) this.#installed.push(installDeterminismGuards())
    this.#opening = this.#open()
    this.#opening.catch(() => {})
  }

  static async open(options: TestEngineOptions): Promise<TestHost> {
    const host = new TestHost(options, await openStore(options.store ?? 'memory'))
    try {
      if (options.store !== undefined) await host.parked.load()
      await host.#opening
    } catch (error) {
      await host.release()
      throw error
    }
    return host
  }

  /** Gives up the store and what was installed in the process. */
  async release(): Promise<void> {
    for (const release of this.#installed.splice(0)) release()
    await this.store.inner.close()
  }

  get isBusy(): boolean {
    const life = this.#life
    if (life === undefined) return true
    return life.opened.worker.busyRuns > 0 || life.clock.deferred > 0 || life.view.isBusy
  }

  get awaitedSteps(): number {
    const opened = this.#life?.opened
    return opened === undefined ? 0 : opened.worker.awaitedSteps + opened.taskWorker.running
  }

  get isWaitingForClock(): boolean {
    return this.#isClosing || this.#life?.view.isDelayed === true
  }

  onQuiet(): Promise<boolean> {
    return this.parked.tell(async () => !(await this.hasTimers()))
  }

  async hasTimers(): Promise<boolean> {
    const page = { after: { dueAt: -1, runId: '', timer: 0 }, upToMs: Number.MAX_SAFE_INTEGER, limit: 1 }
    if ((await this.store.inner.timers(page)).length > 0) return true
    const tasks = { after: { dueAt: -1, seq: 0 }, upToMs: Number.MAX_SAFE_INTEGER, limit: 1 }
    if ((await this.store.inner.dueTasks(tasks)).length > 0) return true
    const schedules = { ...page, after: { dueAt: -1, namespace: '', id: '' } }
    return (await this.store.inner.dueSchedules(schedules)).length > 0
  }

  get opened(): Promise<OpenedEngine> {
    return this.#opening.then((life) => life.opened)
  }

  /** The engine dies here and now; another one starts on its data. */
  crash(workflows?: readonly Workflow[]): void {
    const life = this.#life
    if (life === undefined) throw new Error('the test engine is starting: it cannot crash now')
    this.crashes += 1
    this.#workflows = workflows ?? this.#workflows
    this.#life = undefined
    const error = new Error('injected crash')
    life.die(error)
    this.#opening = this.#reopen(life, error)
    this.#opening.catch(() => {})
  }

  /** Waits for the engine that a crash has started. */
  async restarted(): Promise<void> {
    await this.#opening
  }

  async close(): Promise<void> {
    const life = await this.#opening
    this.#isClosing = true
    this.time.poke()
    try {
      await life.opened.close()
    } finally {
      this.#isClosing = false
      this.#life = undefined
      this.time.stop()
    }
  }

  async #reopen(old: Life, error: Error): Promise<Life> {
    // Not within the commit that crashed: the engine's own code is still on the stack.
    await Promise.resolve()
    old.opened.engine.fail(error)
    await old.opened.close()
    const { store } = this.#options
    if (typeof store === 'string' && store !== 'memory') {
      await this.store.inner.close()
      this.store.inner = await openStore(store)
    }
    return this.#open()
  }

  async #open(): Promise<Life> {
    const clock = this.time.view()
    const view = this.store.view(clock)
    const { promise: died, reject } = Promise.withResolvers<never>()
    died.catch(() => {})
    let life: Life | undefined
    const base = this.#options.logger ?? silentLogger
    const logger: Logger = {
      debug: (...record) => life?.isDead || base.debug(...record),
      info: (...record) => life?.isDead || base.info(...record),
      warn: (...record) => life?.isDead || base.warn(...record),
      error: (...record) => life?.isDead || base.error(...record),
    }
    for (const definition of this.#workflows) {
      if (definition?.kind === 'workflow')
        this.definitions.set(`${definition.name}\0${definition.version}`, definition)
    }
    const { onFailed } = this.#options
    const opened = await openEngine(
      {
        ...this.#options,
        store: view,
        workflows: this.#workflows,
        logger,
        determinismGuards: false,
        onFailed: (error) => life?.isDead || onFailed?.(error),
      },
      { clock, random: this.#random, timerLookaheadMs: LOOKAHEAD_MS },
    )
    life = {
      opened,
      clock,
      view,
      calls: opened.calls,
      died,
      isDead: false,
      die(error) {
        this.isDead = true
        clock.stop()
        view.stop()
        reject(error)
      },
    }
    this.#life = life
    this.time.catchUp(opened.engine.clock.nowMs())
    this.time.poke()
    return life
  }
}
