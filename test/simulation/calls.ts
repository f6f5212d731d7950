/** Calls of clients: repeated with the same ids until they are answered, and every answer is written down. */
import { PerdureError } from '../../src/protocol/errors.ts'
import { type Event, isTerminal } from '../../src/protocol/event.ts'
import { decodePayload } from '../../src/protocol/payload.ts'
import type { Execution } from '../../src/sdk/client.ts'
import { ExecutionFailedError } from '../../src/sdk/execution-failed-error.ts'
import type { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import type { Acknowledgement } from './facts.ts'
import { type Instance, ProcessGone } from './instance.ts'
import { addUpdate, type ProgramWorkflow, seenQuery, signals } from './interpreter.ts'
import { isEnd } from './journals.ts'
import type { Program, SignalName, StepSpec } from './program.ts'
import type { World } from './world.ts'

/** A call is answered within this while its process lives, whatever the store does. */
const ANSWER_LIMIT_MS = 180_000
const REPEAT_PAUSE_MS = 20
const REPEATED = new Set([
  'UNCOMMITTED',
  'ENGINE_CLOSED',
  'ENGINE_FAILED',
  'OVERLOADED',
  'STORE_FAILED',
  'SHARD_MOVED',
  'CONNECTION_LOST',
])

export interface StartPlan {
  readonly program: Program
  readonly delayMs?: number
  readonly timeoutMs?: number
  readonly onConflict?: 'use-existing' | 'fail' | 'terminate-existing'
  readonly signal?: { readonly name: SignalName; readonly payload: string; readonly requestId: string }
}

export class Calls {
  readonly #world: World
  readonly #current: () => Instance | undefined
  /** Calls without an answer. */
  readonly outstanding = new Set<string>()
  #readyWaiters: (() => void)[] = []

  /** `current`: the instance that takes calls now. */
  constructor(world: World, current: () => Instance | undefined) {
    this.#world = world
    this.#current = current
  }

  /** An instance is open for calls. */
  becameReady(): void {
    const waiters = this.#readyWaiters
    this.#readyWaiters = []
    for (const waiter of waiters) waiter()
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.scheduler.clock.after(ms, resolve))
  }

  async start(id: string, plan: StartPlan): Promise<void> {
    const { program, delayMs, timeoutMs, onConflict, signal } = plan
    if (onConflict === 'terminate-existing' || signal !== undefined) this.#world.contestedIds.add(id)
    const options = {
      id,
      ...(delayMs === undefined ? {} : { delay: delayMs }),
      ...(timeoutMs === undefined ? {} : { executionTimeout: timeoutMs }),
      ...(onConflict === undefined ? {} : { onConflict }),
    }
    const execution = await this.#made('start', id, ['EXECUTION_EXISTS'], (engine, workflow) => {
      if (signal === undefined) return engine.start(workflow, { program }, options)
      const { name, payload, requestId } = signal
      return engine.signalWithStart(workflow, { program }, signals[name], payload, { ...options, requestId })
    })
    const runId = execution?.runId
    if (runId === undefined) return
    this.#acknowledged('start', id, this.#world.seqOf(runId) > 0, { kind: 'started', runId })
    if (signal !== undefined) this.#signalled(id, signal.requestId)
  }

  /** A call about tasks, repeated until it is answered; undefined if it was refused with one of the codes. */
  ofTask<T>(
    call: string,
    id: string,
    expected: readonly string[],
    make: (engine: EmbeddedEngine) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#made(call, id, expected, (engine) => make(engine))
  }

  async signal(id: string, name: SignalName, payload: string, requestId: string): Promise<void> {
    const sent = await this.#made('signal', id, ['EXECUTION_CLOSED'], async (engine, workflow) => {
      await engine.execution(workflow, id).signal(signals[name], payload, { requestId })
      return true
    })
    if (sent === true) this.#signalled(id, requestId)
  }

  async update(id: string, updateId: string, step: StepSpec | null): Promise<void> {
    const expected = ['EXECUTION_CLOSED', 'UPDATE_REJECTED', 'UPDATE_FAILED']
    const result = await this.#made(
      'update',
      id,
      expected,
      (engine, workflow) =>
        engine.execution(workflow, id).update(addUpdate, { id: updateId, step }, { updateId }),
      false,
    )
    if (result === undefined) return
    const isDurable = this.#world.durable.has(
      id,
      (event) =>
        event.type === 'update-completed' &&
        event.updateId === updateId &&
        event.result !== undefined &&
        decodePayload(event.result) === result,
    )
    this.#acknowledged('update', id, isDurable, { kind: 'update', updateId, result })
  }

  async query(id: string): Promise<void> {
    const expected = ['EXECUTION_CLOSED', 'QUERY_UNKNOWN', 'EXECUTION_PARKED']
    const seen = await this.#made('query', id, expected, (engine, workflow) =>
      engine.execution(workflow, id).query(seenQuery),
    )
    if (seen === undefined) return
    const markers = seen.filter((text) => /^m\d+$/.test(text))
    const isDurable = markers.every((marker) => this.#world.isDurableMarker(marker))
    this.#acknowledged('query', id, isDurable, { kind: 'none' })
  }

  async describe(id: string): Promise<void> {
    const world = this.#world
    const runs = world.durable.byId.get(id) ?? []
    const newest = runs.at(-1)
    const before = runs.length
    const events = newest === undefined ? 0 : world.seqOf(newest)
    const described = await this.#made('describe', id, [], (engine, workflow) =>
      engine.execution(workflow, id).describe(),
    )
    if (described === undefined) return
    const place = runs.indexOf(described.runId)
    const isOlder = place >= 0 && place < before - 1
    if (isOlder || (described.runId === newest && described.events < events))
      world.faults.push(
        `I9: describe ${id} was answered with ${described.runId}/${described.events}, and ${newest}/${events} was durable before it was asked`,
      )
    const isDurable = described.events <= world.seqOf(described.runId)
    this.#acknowledged('describe', id, isDurable, { kind: 'none' })
  }

  async history(id: string): Promise<void> {
    const world = this.#world
    const runId = world.durable.byId.get(id)?.at(-1)
    if (runId === undefined) return
    const events = await this.#made('history', id, [], (engine, workflow) =>
      engine.execution(workflow, id, { runId }).history(),
    )
    if (events === undefined) return
    world.reads.push({ runId, events: events.map(({ event }) => JSON.stringify(event)) })
    const isDurable = events.length <= world.seqOf(runId) && events.every(({ seq }, i) => seq === i + 1)
    this.#acknowledged('history', id, isDurable, { kind: 'none' })
  }

  async cancel(id: string): Promise<void> {
    await this.#changed('cancel', id, 'cancel-requested', ['EXECUTION_CLOSED'], (execution) =>
      execution.cancel(),
    )
  }

  async terminate(id: string): Promise<void> {
    await this.#changed('terminate', id, 'execution-terminated', ['EXECUTION_CLOSED'], (execution) =>
      execution.terminate(),
    )
  }

  /** Continues the execution if it is failed or parked. */
  async retry(id: string): Promise<void> {
    await this.#changed('retry', id, undefined, ['RETRY_IMPOSSIBLE'], (execution) => execution.retry())
  }

  /** Ids of executions that are open. */
  async open(): Promise<{ readonly id: string; readonly status: string }[] | undefined> {
    return this.#made('list', '*', [], async (engine) => {
      const found: { id: string; status: string }[] = []
      let cursor: string | undefined
      do {
        const page = await engine.list({
          status: ['running', 'parked'],
          limit: 100,
          ...(cursor === undefined ? {} : { cursor }),
        })
        for (const { id, status } of page.executions) found.push({ id, status })
        cursor = page.cursor
      } while (cursor !== undefined)
      return found
    })
  }

  /** Waits for the end, through crashes. */
  async result(id: string): Promise<void> {
    const text = await this.#made(
      'result',
      id,
      [],
      async (engine, workflow) => {
        try {
          return JSON.stringify(await engine.execution(workflow, id).result())
        } catch (error) {
          if (error instanceof ExecutionFailedError) return error.status
          throw error
        }
      },
      false,
    )
    if (text === undefined) return
    const isDurable = this.#world.durable.has(id, (event) => isEnd(event, text))
    this.#acknowledged('result', id, isDurable, { kind: 'result', runId: undefined, text })
  }

  async #changed(
    call: string,
    id: string,
    type: Event['type'] | undefined,
    expected: readonly string[],
    change: (execution: Execution<ProgramWorkflow>) => Promise<void>,
  ): Promise<void> {
    const done = await this.#made(call, id, expected, async (engine, workflow) => {
      await change(engine.execution(workflow, id))
      return true
    })
    if (done !== true) return
    if (type === undefined) {
      this.#acknowledged(call, id, true, { kind: 'none' })
      return
    }
    const isDurable = this.#world.durable.has(
      id,
      (event) => event.type === type || (this.#world.isClustered && isTerminal(event)),
    )
    this.#acknowledged(call, id, isDurable, { kind: 'event', type })
  }

  #signalled(id: string, requestId: string): void {
    const isDurable = this.#world.durable.has(
      id,
      (event) => event.type === 'signal-received' && event.requestId === requestId,
    )
    this.#acknowledged('signal', id, isDurable, { kind: 'signal', requestId })
  }

  #acknowledged(call: string, id: string, isDurable: boolean, promise: Acknowledgement['promise']): void {
    const world = this.#world
    world.counters.acknowledgements += 1
    world.note(`answered ${call} ${id}`)
    world.acknowledgements.push({ atMs: world.nowMs, call, id, isDurable, promise })
  }

  /** The answer; undefined for an expected refusal. */
  async #made<T>(
    call: string,
    id: string,
    expected: readonly string[],
    run: (engine: EmbeddedEngine, workflow: ProgramWorkflow) => Promise<T>,
    isBounded = true,
  ): Promise<T | undefined> {
    const world = this.#world
    for (;;) {
      const instance = await this.#ready()
      const limit = isBounded ? this.#limit(call, id, instance) : undefined
      const shown = `${call} ${id}, asked at ${world.nowMs}`
      this.outstanding.add(shown)
      try {
        return await instance.call((engine) => run(engine, instance.workflow), isBounded)
      } catch (error) {
        if (error instanceof ProcessGone) continue
        const code = error instanceof PerdureError ? error.code : undefined
        const isDelayed = code === 'QUERY_FAILED' && /it is delayed/.test((error as Error).message)
        if (isDelayed || (code !== undefined && expected.includes(code))) {
          world.note(`refused ${call} ${id}: ${code}`)
          return undefined
        }
        if (code === undefined || !REPEATED.has(code)) {
          world.faults.push(
            `${call} ${id} was answered with ${error instanceof Error ? error.stack : String(error)}`,
          )
          return undefined
        }
      } finally {
        limit?.()
        this.outstanding.delete(shown)
      }
      await this.pause(REPEAT_PAUSE_MS)
    }
  }

  #limit(call: string, id: string, instance: Instance): () => void {
    const world = this.#world
    return world.scheduler.clock.after(ANSWER_LIMIT_MS, () => {
      if (instance.isAlive) world.faults.push(`${call} ${id} was not answered in ${ANSWER_LIMIT_MS} ms`)
    })
  }

  async #ready(): Promise<Instance> {
    for (;;) {
      const instance = this.#current()
      if (instance?.isAlive === true && instance.engine !== undefined) return instance
      await new Promise<void>((resolve) => void this.#readyWaiters.push(resolve))
    }
  }
}
