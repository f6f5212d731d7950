/**
 * Takes in what users have asked for in transactions of their own: claims requests, carries them out by the calls of clients, and
 * deletes them when those have been acknowledged.
 *
 * 1. A request is carried out at least once; its id makes that harmless.
 * 2. Requests of one target follow one another; those of others do not wait for them.
 * 3. What can never succeed is kept, with its error, and left alone. What may succeed later is tried again, ever more rarely.
 */
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { RequestReport, RequestStore, WorkRequest } from '../../store/contract/request-store.ts'

export interface RequestIntakeOptions {
  readonly store: RequestStore
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined: nothing is taken in. */
  readonly session: () => { readonly id: number } | undefined
  readonly payloadBytes: number
  /** Resolves when it is acknowledged. */
  readonly carryOut: (request: WorkRequest) => Promise<void>
  /** The same of many tasks at once: all of them, or it throws. */
  readonly enqueueAll: (tasks: readonly WorkRequest[]) => Promise<void>
  /** Whether it may succeed at another node, though this one refuses it. */
  readonly isElsewhere: (error: PerdureError) => boolean
}

const PAGE_ROWS = 200
const HELD_ROWS = 4 * PAGE_ROWS
/** After a page that had something the next one follows at once; the pause doubles while there is nothing. */
const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 100
const FAILED_PAUSE_MS = 1000
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 10_000
/** Of what is hardly going to succeed: about a minute. */
const LAST_ATTEMPT = 12
/** `stop` waits so long for the database, for what is being carried out, and for the database again. */
const STOP_MS = 1000

/** Failures of this engine or its database: nothing is wrong with the request. */
const OF_THE_ENGINE: readonly string[] = ['ENGINE_FAILED', 'STORE_FAILED', 'STORE_CORRUPT', 'STORE_READ_ONLY']

type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'postponed'; readonly delayMs: number; readonly error?: string }

export class RequestIntake {
  readonly #options: RequestIntakeOptions
  readonly #held = new Set<number>()
  #outcomes: (readonly [id: number, outcome: Outcome])[] = []
  readonly #working = new Set<Promise<void>>()
  #loop: Promise<void> | undefined
  #wake: (() => void) | undefined
  #isStopped = false
  #isOver = false

  constructor(options: RequestIntakeOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Claims no more, and tells what has been acknowledged. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#wake?.()
    await this.#within(STOP_MS, this.#loop)
    // What the database gives now, that of another session takes in when this one has ended.
    this.#isOver = true
    await this.#within(STOP_MS, Promise.all(this.#working))
    await this.#within(
      STOP_MS,
      this.#report().catch(() => undefined),
    )
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#isStopped) {
      try {
        await this.#report()
        const claimed = await this.#claim()
        if (this.#isOver) return
        for (const { id } of claimed) this.#held.add(id)
        const page = this.#carryOutAll(claimed).finally(() => this.#working.delete(page))
        this.#working.add(page)
        // One that takes long holds up nobody else.
        await this.#within(LONGEST_PAUSE_MS, page)
        pauseMs = claimed.length > 0 ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
        if (claimed.length > 0) continue
      } catch (error) {
        if (this.#isStopped) return
        this.#options.logger.warn('requests could not be taken in; it is tried again', { error })
        pauseMs = FAILED_PAUSE_MS
      }
      await this.#within(pauseMs)
    }
  }

  async #claim(): Promise<readonly WorkRequest[]> {
    const { store, session, payloadBytes } = this.#options
    const limit = Math.min(PAGE_ROWS, HELD_ROWS - this.#held.size)
    const id = session()?.id
    if (limit <= 0 || id === undefined) return []
    return store.claim({ session: id, held: [...this.#held], limit, payloadBytes })
  }

  async #report(): Promise<void> {
    const { store, session } = this.#options
    const id = session()?.id
    if (this.#outcomes.length === 0 || id === undefined) return
    const outcomes = this.#outcomes.splice(0)
    try {
      await store.report(reportOf(id, outcomes))
    } catch (error) {
      this.#outcomes.unshift(...outcomes)
      throw error
    }
    for (const [request] of outcomes) this.#held.delete(request)
  }

  async #carryOutAll(requests: readonly WorkRequest[]): Promise<void> {
    const targets = Map.groupBy(requests, ({ namespace, target }) => `${namespace}\0${target}`)
    const tasks: WorkRequest[] = []
    const lanes: (readonly WorkRequest[])[] = []
    for (const lane of targets.values()) {
      const [first, second] = lane
      if (first?.kind === 'task' && second === undefined) tasks.push(first)
      else lanes.push(lane)
    }
    await Promise.all([this.#enqueueAll(tasks), ...lanes.map((lane) => this.#carryOutLane(lane))])
  }

  async #enqueueAll(tasks: readonly WorkRequest[]): Promise<void> {
    if (tasks.length > 1)
      try {
        await this.#options.enqueueAll(tasks)
        for (const { id } of tasks) this.#outcomes.push([id, { kind: 'done' }])
        return
      } catch {
        // One by one, then: it is seen which of them is at fault.
      }
    await Promise.all(tasks.map((task) => this.#carryOutLane([task])))
  }

  async #carryOutLane(lane: readonly WorkRequest[]): Promise<void> {
    for (const [i, request] of lane.entries()) {
      const outcome = await this.#carryOut(request)
      this.#outcomes.push([request.id, outcome])
      if (outcome.kind !== 'postponed') continue
      for (const { id } of lane.slice(i + 1))
        this.#outcomes.push([id, { kind: 'postponed', delayMs: outcome.delayMs }])
      return
    }
  }

  async #carryOut(request: WorkRequest): Promise<Outcome> {
    try {
      await this.#options.carryOut(request)
      return { kind: 'done' }
    } catch (error) {
      return this.#outcomeOf(request, error)
    }
  }

  #outcomeOf({ id, kind, namespace, target, name, attempts }: WorkRequest, error: unknown): Outcome {
    const { logger, isElsewhere } = this.#options
    const isKnown = error instanceof PerdureError
    const isLater = isKnown && (error.retryable || OF_THE_ENGINE.includes(error.code))
    const isUnsure = !isKnown || isElsewhere(error)
    const message = error instanceof Error ? error.message : String(error)
    if (isLater || (isUnsure && attempts < LAST_ATTEMPT)) {
      const delayMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_RETRY_MS)
      return { kind: 'postponed', delayMs, error: message }
    }
    const fields = { request: id, kind, namespace, target, name, error }
    logger.warn('a request from a transaction cannot be carried out; it is kept', fields)
    return { kind: 'failed', error: message }
  }

  /** Until it has ended, or for `mostMs`, or until `stop`. */
  async #within(mostMs: number, work?: Promise<unknown>): Promise<void> {
    let cancel: Cancel | undefined
    const pause = new Promise<void>((resolve) => {
      if (this.#isStopped && work === undefined) resolve()
      cancel = this.#options.clock.after(mostMs, resolve)
      if (!this.#isStopped) this.#wake = resolve
    })
    await (work === undefined ? pause : Promise.race([work, pause]))
    cancel?.()
    this.#wake = undefined
  }
}

function reportOf(
  session: number,
  outcomes: readonly (readonly [id: number, outcome: Outcome])[],
): RequestReport {
  const done: number[] = []
  const failed: RequestReport['failed'][number][] = []
  const postponed: RequestReport['postponed'][number][] = []
  for (const [id, outcome] of outcomes) {
    if (outcome.kind === 'done') done.push(id)
    else if (outcome.kind === 'failed') failed.push({ id, error: outcome.error })
    else {
      const { delayMs, error } = outcome
      postponed.push({ id, delayMs, ...(error === undefined ? {} : { error }) })
    }
  }
  return { session, done, failed, postponed }
}
