/**
 * Executions in memory. Idle ones are kept up to a number, least recently used out first; they come back from the journal.
 *
 * 1. A run is in memory at most once; loading it twice at a time gives the same object.
 * 2. What is evicted is committed and idle: the store knows all of it.
 * 3. Runs of shards that are not owned are not there.
 */

import { evolve } from '../core/execution/evolve.ts'
import { emptyState } from '../core/execution/state.ts'
import type { Event, SequencedEvent } from '../protocol/event.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { keyText, type RunId, shardOf, type WorkflowKey } from '../protocol/ids.ts'
import type { ExecutionRow, JournalEntry } from '../store/contract/rows.ts'
import type { Store } from '../store/contract/store.ts'
import type { Ownership } from './cluster/ownership.ts'
import { LiveExecution } from './live-execution.ts'

const JOURNAL_PAGE_ENTRIES = 1000

export interface LoadedExecution {
  readonly execution: LiveExecution
  /** What replay needs: the journal without what was withdrawn. */
  readonly history: readonly SequencedEvent[]
}

/** A run as the store has it: its summary, and the first entries of its journal, at most `limit`. */
interface StoredRun {
  readonly row: ExecutionRow
  readonly entries: readonly JournalEntry[]
  readonly limit: number
}

export interface LiveTableOptions {
  readonly store: Store
  readonly ownership: Ownership
  /** Idle executions kept in memory. */
  readonly idleLimit: number
  /** Called for a loaded execution, before anybody else gets it. */
  readonly onLoaded: (loaded: LoadedExecution) => void
  readonly onEvicted: (execution: LiveExecution) => void
}

export class LiveTable {
  readonly #options: LiveTableOptions
  readonly #byRun = new Map<RunId, LiveExecution>()
  readonly #byKey = new Map<string, LiveExecution>()
  readonly #idle = new Map<RunId, LiveExecution>()
  readonly #loading = new Map<RunId, Promise<LiveExecution | undefined>>()
  /** One map per lookup of newest runs that is on its way: runs that left memory meanwhile, by key. */
  readonly #leaving = new Set<Map<string, RunId>>()
  /** One set per reading of many runs that is on its way: runs that left memory meanwhile. */
  readonly #departures = new Set<Set<RunId>>()
  /** Runs whose deletion is on its way to the store: they are read no more. */
  readonly #deleting = new Set<RunId>()
  #generation = 0
  /** Executions that are being read again: whoever forgets everything tells those that wait for them. */
  readonly #replaced = new Set<LiveExecution>()
  #isClosed = false

  constructor(options: LiveTableOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byRun.size
  }

  /** Executions that cannot be evicted. */
  get busy(): number {
    return this.#byRun.size - this.#idle.size
  }

  get(runId: RunId): LiveExecution | undefined {
    return this.#byRun.get(runId)
  }

  /** The newest run of a key, if it is in memory. */
  current(key: WorkflowKey): LiveExecution | undefined {
    return this.#byKey.get(keyText(key))
  }

  currentByText(text: string): LiveExecution | undefined {
    return this.#byKey.get(text)
  }

  all(): Iterable<LiveExecution> {
    return this.#byRun.values()
  }

  shardOf(key: WorkflowKey): number {
    return shardOf(key, this.#options.ownership.shards)
  }

  /** Adds a run that has just been started: the newest of its key. */
  add(execution: LiveExecution): void {
    this.#byRun.set(execution.state.runId, execution)
    this.#byKey.set(execution.keyText, execution)
  }

  /** An execution may have become idle, or busy again. */
  refresh(execution: LiveExecution): void {
    const { runId } = execution.state
    // It has left memory: whoever held it is late.
    if (this.#byRun.get(runId) !== execution) return
    if (!execution.isIdle || (isClosed(execution.state.status) && !execution.isCommitted)) {
      if (this.#idle.size > 0) this.#idle.delete(runId)
      return
    }
    this.#idle.delete(runId)
    this.#idle.set(runId, execution)
  }

  /** Evicts what is too much. */
  trim(): void {
    if (this.#idle.size <= this.#options.idleLimit) return
    for (const execution of this.#idle.values()) {
      if (this.#idle.size <= this.#options.idleLimit) return
      if (!execution.isCommitted) return
      this.remove(execution)
      this.#options.onEvicted(execution)
    }
  }

  remove(execution: LiveExecution): void {
    const { runId } = execution.state
    if (this.#byRun.get(runId) !== execution) return
    this.#byRun.delete(runId)
    this.#idle.delete(runId)
    for (const departed of this.#departures) departed.add(runId)
    const text = execution.keyText
    if (this.#byKey.get(text) !== execution) return
    this.#byKey.delete(text)
    for (const left of this.#leaving) left.set(text, runId)
  }

  /** Forgets the runs of shards that are given up, what is read again included. */
  release(shards: ReadonlySet<number>): LiveExecution[] {
    const released = [...this.#byRun.values(), ...this.#replaced].filter(({ shard }) => shards.has(shard))
    for (const execution of released) {
      this.remove(execution)
      this.#replaced.delete(execution)
    }
    return released
  }

  /** Reads a run again that has left memory for that; undefined: everything was forgotten meanwhile, or there is no such run. */
  async reload(execution: LiveExecution): Promise<LiveExecution | undefined> {
    this.remove(execution)
    this.#replaced.add(execution)
    const loaded = await this.load(execution.state.runId)
    return this.#replaced.delete(execution) ? loaded : undefined
  }

  /** The run is about to be deleted; `deleted` is to follow. */
  deleting(runId: RunId): void {
    const execution = this.#byRun.get(runId)
    if (execution !== undefined) this.remove(execution)
    this.#deleting.add(runId)
  }

  /** The deletion is durable, or was dropped. */
  deleted(runId: RunId): void {
    this.#deleting.delete(runId)
  }

  /** Forgets everything, and loads nothing any more. */
  close(): LiveExecution[] {
    this.#isClosed = true
    return this.clear()
  }

  /** Forgets everything, what is read again included: another session starts from the store. */
  clear(): LiveExecution[] {
    const all = [...this.#byRun.values(), ...this.#replaced]
    this.#byRun.clear()
    this.#replaced.clear()
    this.#byKey.clear()
    this.#idle.clear()
    this.#loading.clear()
    this.#generation += 1
    return all
  }

  /** Loads many runs at once. `read` gives the first entries of their journals, at most `limit` of each. */
  async loadAll(
    rows: readonly ExecutionRow[],
    read: (runIds: readonly RunId[]) => Promise<readonly (readonly JournalEntry[])[]>,
    limit: number,
  ): Promise<void> {
    const absent = rows.filter(({ runId }) => !this.#byRun.has(runId))
    const departed = new Set<RunId>()
    this.#departures.add(departed)
    const { ownership } = this.#options
    const { losses } = ownership
    try {
      const journals = await read(absent.map(({ runId }) => runId))
      await Promise.all(
        absent.map((row, i) => {
          const { runId } = row
          // One that came and left meanwhile is not as it was read.
          if (departed.has(runId) || losses !== ownership.losses) return this.load(runId)
          return this.#load(runId, { row, entries: journals[i] ?? [], limit })
        }),
      )
    } finally {
      this.#departures.delete(departed)
    }
  }

  /** From memory or from the store; undefined if there is no such run. */
  async load(runId: RunId): Promise<LiveExecution | undefined> {
    return this.#load(runId, undefined)
  }

  /** @param read what was read of it already, while its shard was owned */
  async #load(runId: RunId, read: StoredRun | undefined): Promise<LiveExecution | undefined> {
    const live = this.#byRun.get(runId)
    if (live !== undefined) return live
    if (this.#isClosed || this.#deleting.has(runId)) return undefined
    const loading = this.#loading.get(runId)
    if (loading !== undefined) return loading
    const promise = this.#read(runId, this.#generation, read).finally(() => {
      if (this.#loading.get(runId) === promise) this.#loading.delete(runId)
    })
    this.#loading.set(runId, promise)
    return promise
  }

  /** Run id of the newest run of each key. */
  async currentRuns(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]> {
    const wanted = keys.map((key) => ({ key, text: keyText(key) }))
    return this.withCurrentRuns(wanted, (runIdAt) => wanted.map((_, i) => runIdAt(i)))
  }

  /**
   * Finds newest runs, and calls `use` in the same turn, so that nothing changes in between: `runIdAt(i)` is the newest run
   * of `wanted[i]`. What the store answers may be older than a run that was started, committed and evicted while the store
   * was asked.
   */
  async withCurrentRuns<T>(
    wanted: readonly { readonly key: WorkflowKey; readonly text: string }[],
    use: (runIdAt: (index: number) => RunId | undefined) => T,
  ): Promise<T> {
    for (;;) {
      const generation = this.#generation
      const { losses } = this.#options.ownership
      const unknown: WorkflowKey[] = []
      /** Place of each in `unknown`. */
      const places = wanted.map(({ key, text }) => (this.#byKey.has(text) ? -1 : unknown.push(key) - 1))
      const left = new Map<string, RunId>()
      this.#leaving.add(left)
      try {
        const found = await this.#options.store.currents(unknown)
        // Started over meanwhile: what has left memory since then is not known.
        if (generation !== this.#generation || losses !== this.#options.ownership.losses) continue
        return use((index) => {
          const text = wanted[index]?.text ?? ''
          const runId = this.#byKey.get(text)?.state.runId ?? left.get(text) ?? found[places[index] ?? -1]
          return runId === undefined || this.#deleting.has(runId) ? undefined : runId
        })
      } finally {
        this.#leaving.delete(left)
      }
    }
  }

  async #read(runId: RunId, generation: number, read?: StoredRun): Promise<LiveExecution | undefined> {
    const { store, ownership } = this.#options
    const { losses } = ownership
    const [row] = read === undefined ? await store.executions([runId]) : [read.row]
    if (row === undefined || !ownership.owns(row.shard)) return undefined
    const state = emptyState(runId)
    const events: SequencedEvent[] = []
    for (let first = read; ; first = undefined) {
      const entries = first?.entries ?? (await store.journal(runId, state.seq, JOURNAL_PAGE_ENTRIES))
      for (const entry of entries) {
        for (const event of JSON.parse(entry.events) as Event[]) {
          evolve(state, event)
          events.push({ seq: state.seq, event })
        }
        if (state.seq !== entry.seq + entry.count - 1)
          throw new Error(`invariant: the journal of run ${runId} has a gap at event ${entry.seq}`)
      }
      if (entries.length < (first?.limit ?? JOURNAL_PAGE_ENTRIES)) break
    }
    // The engine started over meanwhile: whoever asked is answered by what it loads now.
    if (generation !== this.#generation) return this.load(runId)
    // Another node may have changed it since.
    if (losses !== ownership.losses) return this.#read(runId, generation)
    // Deleted while it was read: only closed runs are.
    const isCut = state.seq === 0 || (isClosed(row.status) && !isClosed(state.status))
    if (isCut || this.#deleting.has(runId)) return undefined
    const execution = new LiveExecution(state, row.shard, row.active)
    execution.rowStatus = row.status
    execution.rowAttributes = state.attributes
    this.#byRun.set(runId, execution)
    const text = execution.keyText
    const known = this.#byKey.get(text)
    // A closed run may be an older one of its key: it must not hide the newest, which the store knows.
    if (!isClosed(state.status) && (known === undefined || known.state.runId < runId))
      this.#byKey.set(text, execution)
    this.#options.onLoaded({ execution, history: withoutWithdrawn(events) })
    this.refresh(execution)
    return execution
  }
}

/**
 * Removes what `execution-reopened` withdrew: the failure of the execution, that of the operation that caused it, and tasks
 * (of workers and of people) that had not ended; and the children that `child-withdrawn` withdrew.
 */
export function withoutWithdrawn(events: readonly SequencedEvent[]): readonly SequencedEvent[] {
  if (!events.some(({ event }) => event.type === 'execution-reopened')) return events
  let kept: SequencedEvent[] = []
  for (const each of events) {
    const { event } = each
    if (event.type === 'execution-reopened') {
      const closed = new Set(kept.map((past) => closedTaskOf(past.event)))
      kept = kept.filter(
        (past) =>
          past.seq !== event.failedSeq &&
          (event.op === undefined || operationOf(past.event) !== event.op) &&
          (!isWithdrawnWithFailure(past.event) || closed.has(past.event.op)),
      )
    } else if (event.type === 'child-withdrawn') {
      kept = kept.filter((past) => operationOf(past.event) !== event.op)
    } else kept.push(each)
  }
  return kept
}

/** Of tasks that have not ended: code asks for others. */
function isWithdrawnWithFailure(
  event: Event,
): event is Extract<Event, { type: 'task-scheduled' | 'human-task-opened' | 'human-task-changed' }> {
  const { type } = event
  return type === 'task-scheduled' || type === 'human-task-opened' || type === 'human-task-changed'
}

function closedTaskOf(event: Event): number | undefined {
  switch (event.type) {
    case 'task-completed':
    case 'task-failed':
    case 'human-task-closed':
      return event.op
    default:
      return undefined
  }
}

function operationOf(event: Event): number | undefined {
  switch (event.type) {
    case 'step-failed':
    case 'step-attempt-failed':
    case 'child-started':
    case 'child-failed':
    case 'task-scheduled':
    case 'task-failed':
    case 'human-task-opened':
    case 'human-task-changed':
    case 'human-task-closed':
      return event.op
    case 'child-signalled':
      // The next child of the operation is another run: it gets its signals again.
      return event.childOp
    default:
      return undefined
  }
}
