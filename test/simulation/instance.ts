/**
 * One life of the engine's process.
 *
 * Once it is dead its clock and its store are cut, and its user code does nothing any more: whatever the abandoned objects
 * still compute has no effect on the world.
 */

import type { Registry } from '../../src/engine/registry/registry-port.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { Logger } from '../../src/platform/logger.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { idempotencyKeyOf } from '../../src/protocol/ids.ts'
import type { StepContext } from '../../src/sdk/context.ts'
import { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import type { EngineSeams, EngineSettings } from '../../src/server/engine-settings.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { CrashSite } from './fault-plan.ts'
import { type ProgramWorkflow, programWorkflow } from './interpreter.ts'
import type { StepSpec } from './program.ts'
import { never, SimulatedStore } from './simulated-store.ts'
import { taskSettings, taskWindow } from './simulated-task.ts'
import type { World } from './world.ts'

/** The process that was to answer is gone. */
export class ProcessGone extends Error {
  override readonly name = 'ProcessGone'
}

const registries = new WeakMap<EmbeddedEngine, Registry>()

/** Of an engine that an instance has opened. */
export function registryOf(engine: EmbeddedEngine): Registry {
  const registry = registries.get(engine)
  if (registry === undefined) throw new Error('no instance has opened this engine')
  return registry
}

class FatalError extends Error {
  override readonly name = 'FatalError'
}

export class Instance {
  readonly number: number
  readonly store: SimulatedStore
  readonly clock: Clock
  readonly workflow: ProgramWorkflow
  isAlive = true
  engine: EmbeddedEngine | undefined
  /** Calls of clients and of step functions without an answer. */
  openCalls = 0
  openSteps = 0
  readonly #world: World
  readonly #gone = new Set<(error: Error) => void>()
  readonly #onDeath: () => void

  constructor(
    world: World,
    number: number,
    onDeath: () => void,
    store: (owner: Instance) => SimulatedStore = (owner) => new SimulatedStore(world, owner),
  ) {
    this.#world = world
    this.number = number
    this.#onDeath = onDeath
    this.store = store(this)
    this.clock = this.#ownClock()
    this.workflow = programWorkflow({
      inCode: () => {
        if (this.isAlive && this.#world.drawCrash('in-code')) this.kill('in-code')
      },
      runStep: (spec, step) => this.#runStep(spec, step),
      consumed: () => {},
    })
  }

  /** Something comes from outside: now, or when the process moves again. Never when it is dead. */
  run(call: () => void): void {
    if (this.isAlive) call()
  }

  async open(settings: Partial<EngineSettings> = {}, seams: Partial<EngineSeams> = {}): Promise<void> {
    const world = this.#world
    const { idleExecutions, timerLookaheadMs, timerPageRows } = world.plan.engine
    const opened = await openEngine(
      {
        store: this.store,
        workflows: [this.workflow],
        ...(world.isOfTasks ? taskSettings(world, this) : {}),
        logger: this.logger(),
        idleExecutions,
        shutdownGrace: 2000,
        onFailed: (error) => this.#onFailed(error),
        ...settings,
      },
      {
        clock: this.clock,
        random: seededRandomness(Math.floor(world.engineRandom() * 2 ** 32)),
        timerLookaheadMs,
        timerPageRows,
        ...(world.isOfTasks ? { taskWindow: taskWindow(world) } : {}),
        ...seams,
      },
    )
    this.engine = new EmbeddedEngine(opened)
    registries.set(this.engine, opened.engine.registry)
  }

  /** Nothing runs, nothing is being committed: only time or a call can make something happen. */
  get isAtRest(): boolean {
    return this.engine?.isQuiet === true && this.openSteps === 0 && this.store.inFlight === 0
  }

  /** Kills the process: a crash at this site, or the end after `close`. */
  kill(site: CrashSite | 'closed' | 'failed'): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.store.endOfSettling()
    const world = this.#world
    world.counters.lostAcksSettled += this.engine?.counters.unknownSettledIn ?? 0
    if (site !== 'closed' && site !== 'failed') {
      const isBusy = this.store.inFlight > 0 || this.openSteps > 0 || this.openCalls > 0
      world.counters.crashes += 1
      if (isBusy) world.counters.crashesInFlight += 1
      world.crashesBySite[site] = (world.crashesBySite[site] ?? 0) + 1
    }
    world.note(`instance ${this.number} dies: ${site}`)
    const error = new ProcessGone(site)
    for (const reject of this.#gone) reject(error)
    this.#gone.clear()
    this.#onDeath()
  }

  /** A client's call: rejects with `ProcessGone` if the process dies before the client has the answer. */
  call<T>(run: (engine: EmbeddedEngine) => Promise<T>, isCounted = true): Promise<T> {
    const { engine } = this
    if (!this.isAlive || engine === undefined) return Promise.reject(new ProcessGone('not there'))
    return new Promise((resolve, reject) => {
      const gone = (error: Error): void => reject(error)
      this.#gone.add(gone)
      if (isCounted) this.openCalls += 1
      const settle = (answer: () => void): void => {
        if (!this.isAlive) return
        if (this.#world.drawCrash('before-answer')) {
          this.kill('before-answer')
          return
        }
        this.#gone.delete(gone)
        if (isCounted) this.openCalls -= 1
        answer()
      }
      run(engine).then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      )
    })
  }

  #onFailed(error: Error): void {
    if (!this.isAlive) return
    const { cause } = error
    const text = cause instanceof Error ? cause.message : String(cause)
    this.#world.note(`instance ${this.number} stopped itself: ${text}`)
    // Injected failures may show themselves after the faults have stopped.
    if (!/EIO|the link is down/.test(text))
      this.#world.faults.push(
        `the engine stopped itself: ${text} ${cause instanceof Error ? cause.stack : ''}`,
      )
    // Calls in progress are answered with errors first; the process ends in a later macrotask.
    this.#world.scheduler.clock.after(5, () => this.kill('failed'))
  }

  #ownClock(): Clock {
    const { scheduler, plan, engineRandom } = this.#world
    const skewMs = this.number === 1 ? 0 : Math.round((engineRandom() * 2 - 1) * plan.skewMs)
    const { clock } = scheduler
    return {
      nowMs: () => clock.nowMs() + skewMs,
      // The system's timers take a millisecond at least.
      after: (delayMs, call) => {
        let isCancelled = false
        const cancel = clock.after(Math.max(1, delayMs), () =>
          this.run(() => {
            if (!isCancelled) call()
          }),
        )
        return () => {
          isCancelled = true
          cancel()
        }
      },
      defer: (call) => clock.defer(() => this.run(call)),
    }
  }

  #runStep(spec: StepSpec, step: StepContext): unknown {
    const world = this.#world
    if (!this.isAlive) return never()
    if (world.drawCrash('before-step')) {
      this.kill('before-step')
      return never()
    }
    const { runId, workflowId, attempt, idempotencyKey } = step
    const op = Number(idempotencyKey.slice(idempotencyKey.lastIndexOf('/') + 1))
    const expected = idempotencyKeyOf({ namespace: 'default', workflowId }, runId, op)
    if (idempotencyKey !== expected) world.faults.push(`idempotency key ${idempotencyKey} is not ${expected}`)
    const calls = (world.stepCallsByKey.get(idempotencyKey) ?? 0) + 1
    world.stepCallsByKey.set(idempotencyKey, calls)
    world.counters.stepCalls += 1
    const call = {
      atMs: this.clock.nowMs(),
      runId,
      op,
      attempt,
      maxAttempts: spec.maxAttempts,
      durableSeq: world.seqOf(runId),
      isOutdated: world.isOutdated(this.store.session, runId),
      marker: undefined as string | undefined,
    }
    world.ledger.push(call)
    world.note(`step ${workflowId} ${runId}/${op} attempt ${attempt} call ${calls}`)
    if (world.drawCrash('after-step-effect')) {
      this.kill('after-step-effect')
      return never()
    }
    const finish = (): string => {
      if (spec.fatal === true) throw new FatalError(`call ${calls} of ${spec.name}`)
      if (calls <= spec.failures) throw new Error(`call ${calls} of ${spec.name}`)
      call.marker = world.newMarker()
      return call.marker
    }
    if (spec.ms === 0) return finish()
    this.openSteps += 1
    return new Promise((resolve, reject) => {
      this.clock.after(spec.ms, () => {
        this.openSteps -= 1
        try {
          resolve(finish())
        } catch (error) {
          reject(error as Error)
        }
      })
    })
  }

  /** Logs of workflow code derive from what it has seen: that must be durable when they are written. */
  protected logger(): Logger {
    const world = this.#world
    const write = (message: string, fields?: { readonly [name: string]: unknown }): void => {
      if (!this.isAlive) return
      world.note(`log ${message}`)
      const { seen } = fields ?? {}
      if (message !== 'seen' || !Array.isArray(seen)) return
      for (const marker of seen) {
        if (/^m\d+$/.test(marker) && !world.isDurableMarker(marker))
          world.faults.push(`a log told of ${marker} before it was durable`)
      }
    }
    return { debug: () => {}, info: write, warn: write, error: write }
  }
}
