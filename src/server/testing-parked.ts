/**
 * Tells whoever waits for the result of an execution that it, or a child it depends on, is parked.
 *
 * In production a parked execution waits for the right code, and so does its result. A test would only hang.
 */
import type { ExecutionTarget } from '../protocol/client-port.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Event } from '../protocol/event.ts'
import { errorOf, type Failure } from '../protocol/failure.ts'
import type { RunId } from '../protocol/ids.ts'
import type { JournalEntry } from '../store/contract/rows.ts'
import type { Store } from '../store/contract/store.ts'
import type { TestStore } from './testing-store.ts'

interface Waiting {
  readonly target: ExecutionTarget
  readonly reject: (error: Error) => void
}

const PARKED_PAGE = 1000

export class ParkedWatch {
  readonly #store: TestStore
  readonly #waiting = new Set<Waiting>()
  /** Parked runs whose reason somebody has got. */
  readonly told = new Set<RunId>()

  constructor(store: TestStore) {
    this.#store = store
  }

  /** Rejects when the execution cannot go on because something is parked. */
  watch(target: ExecutionTarget): { readonly rejected: Promise<never>; forget(): void } {
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    const waiting = { target, reject }
    this.#waiting.add(waiting)
    return { rejected: promise, forget: () => void this.#waiting.delete(waiting) }
  }

  /** Finds what was parked before this engine. */
  async load(): Promise<void> {
    const { inner, parked } = this.#store
    const rows = await inner.list({ status: ['parked'], limit: PARKED_PAGE })
    for (const { runId } of rows) parked.add(runId)
  }

  /** To be called when the engine is quiet. True if somebody was told. */
  async tell(isStalled: () => Promise<boolean>): Promise<boolean> {
    const { parked } = this.#store
    if (parked.size === 0 || this.#waiting.size === 0) return false
    let told = false
    for (const waiting of [...this.#waiting]) {
      const runId = await this.#newest(waiting.target)
      if (runId === undefined || !parked.has(runId)) continue
      waiting.reject(errorOf(await this.#reason(runId)))
      this.told.add(runId)
      told = true
    }
    if (told || !(await isStalled())) return told
    return this.#tellAncestors()
  }

  /** Nothing can happen any more: parents wait for a child that is parked. */
  async #tellAncestors(): Promise<boolean> {
    let told = false
    for (const runId of this.#store.parked) {
      const ancestors = await this.#ancestors(runId)
      for (const waiting of [...this.#waiting]) {
        const waitingRun = await this.#newest(waiting.target)
        if (waitingRun === undefined || !ancestors.has(waitingRun)) continue
        const cause = errorOf(await this.#reason(runId))
        const [row] = await this.#store.inner.executions([runId])
        waiting.reject(
          new PerdureError(
            'EXECUTION_PARKED',
            `its child ${row?.key.workflowId} is parked: ${cause.message}`,
            {
              cause,
            },
          ),
        )
        this.told.add(runId)
        told = true
      }
    }
    return told
  }

  async #newest({ key, runId: given }: ExecutionTarget): Promise<RunId | undefined> {
    const { inner } = this.#store
    let runId = given ?? (await inner.currents([key]))[0]
    for (;;) {
      if (runId === undefined) return undefined
      const [row] = await inner.executions([runId])
      if (row?.status !== 'continued') return row?.runId
      const last = eventsOf(await inner.lastEntry(runId)).at(-1)
      runId = last?.type === 'execution-continued' ? last.newRunId : undefined
    }
  }

  async #reason(runId: RunId): Promise<Failure> {
    const { inner } = this.#store
    let failure: Failure | undefined
    for (const event of await historyOf(inner, runId)) {
      if (event.type === 'execution-parked') failure = event.failure
    }
    if (failure === undefined) throw new Error(`invariant: parked run ${runId} has no reason`)
    return failure
  }

  async #ancestors(runId: RunId): Promise<Set<RunId>> {
    const found = new Set<RunId>()
    for (let up: RunId | undefined = runId; up !== undefined; ) {
      const [first] = await this.#store.inner.journal(up, 0, 1)
      const started = eventsOf(first)[0]
      up = started?.type === 'execution-started' ? started.parent?.runId : undefined
      if (up !== undefined) found.add(up)
    }
    return found
  }
}

export function eventsOf(entry: JournalEntry | undefined): Event[] {
  return entry === undefined ? [] : (JSON.parse(entry.events) as Event[])
}

/** All events of a run, in order. */
export async function historyOf(store: Store, runId: RunId): Promise<readonly Event[]> {
  const entries = await store.journal(runId, 0, Number.MAX_SAFE_INTEGER)
  return entries.flatMap(eventsOf)
}
