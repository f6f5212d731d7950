/**
 * The store of a test engine: passes everything on, injects faults into commits, and remembers what was committed.
 *
 * Commits are numbered 1, 2, 3, … over the life of the test engine, across its restarts.
 */
import type { Clock } from '../platform/clock.ts'
import { type Duration, durationMs } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Batch, CommitOutcome } from '../store/contract/batch.ts'
import { type Store, UnknownCommitError } from '../store/contract/store.ts'

/** A fault at a commit. `applied`: whether the commit takes effect in the store. Default: false. */
export type Fault =
  /** The engine is abandoned at this commit, and starts again on the same data. */
  | { readonly kind: 'crash'; readonly commit: number; readonly applied?: boolean }
  /** The answer of the store is lost: the engine has to find out whether the commit is in. */
  | { readonly kind: 'unknown-commit'; readonly commit: number; readonly applied?: boolean }
  /** Somebody else has taken over the data: the engine starts over with a new session. */
  | { readonly kind: 'fenced'; readonly commit: number }
  /** The store fails for good, as with a full disk: the engine stops. */
  | { readonly kind: 'store-failure'; readonly commit: number }
  /** Commits `from` to `to` (default: all) are answered after `delay`, in skipped time. */
  | { readonly kind: 'slow-store'; readonly delay: Duration; readonly from?: number; readonly to?: number }

export class TestStore {
  readonly #faults: readonly Fault[]
  readonly #onCrash: () => void
  inner: Store
  /** Commits so far, those with a fault included. */
  commits = 0
  /** Runs that were started or went on here. */
  readonly runs = new Set<RunId>()
  readonly parked = new Set<RunId>()

  constructor(inner: Store, faults: readonly Fault[], onCrash: () => void) {
    this.inner = inner
    this.#faults = faults
    this.#onCrash = onCrash
    for (const fault of faults) if (fault.kind === 'slow-store') durationMs(fault.delay)
  }

  /** The store as one engine process sees it: after `stop` nothing is answered any more. */
  view(clock: Clock): StoreView {
    return new StoreView(this, clock)
  }

  async commit(batch: Batch, delay: (ms: number) => Promise<void>): Promise<CommitOutcome> {
    this.commits += 1
    const number = this.commits
    const fault = this.#faults.find((each) => each.kind !== 'slow-store' && each.commit === number)
    const slow = this.#faults.find(
      (each) =>
        each.kind === 'slow-store' &&
        number >= (each.from ?? 1) &&
        number <= (each.to ?? Number.POSITIVE_INFINITY),
    )
    if (slow?.kind === 'slow-store') await delay(durationMs(slow.delay))
    if (fault === undefined) return this.#apply(batch)
    switch (fault.kind) {
      case 'crash':
        if (fault.applied === true) await this.#apply(batch)
        this.#onCrash()
        throw new Error(`injected crash at commit ${number}`)
      case 'unknown-commit':
        if (fault.applied === true) await this.#apply(batch)
        throw new UnknownCommitError(`injected at commit ${number}`)
      case 'fenced':
        await this.inner.fence(batch.session)
        return this.#apply(batch)
      case 'store-failure':
        throw new PerdureError('STORE_FAILED', `injected at commit ${number}`)
      case 'slow-store':
        return this.#apply(batch)
    }
  }

  async #apply(batch: Batch): Promise<CommitOutcome> {
    const outcome = await this.inner.commit(batch)
    if (outcome.outcome !== 'committed') return outcome
    for (const { runId } of batch.journal) this.runs.add(runId)
    const changes = batch.executionsUpdated.map(({ runId, change }) => ({ runId, status: change.status }))
    for (const { runId, status } of [...batch.executionsInserted, ...changes]) {
      if (status === 'parked') this.parked.add(runId)
      else this.parked.delete(runId)
    }
    for (const { runId } of batch.deleted) {
      this.runs.delete(runId)
      this.parked.delete(runId)
    }
    return outcome
  }
}

export class StoreView implements Store {
  readonly #store: TestStore
  readonly #clock: Clock
  #isDead = false
  /** Calls on their way, and those of them that wait for the clock. */
  #inFlight = 0
  #delayed = 0

  constructor(store: TestStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  stop(): void {
    this.#isDead = true
  }

  get isBusy(): boolean {
    return this.#inFlight > this.#delayed
  }

  get isDelayed(): boolean {
    return this.#delayed > 0
  }

  register: Store['register'] = (node) => this.#call((inner) => inner.register(node))
  commit: Store['commit'] = (batch) => this.#call(() => this.#store.commit(batch, (ms) => this.#delay(ms)))
  fence: Store['fence'] = (session) => this.#call((inner) => inner.fence(session))
  hasCommitted: Store['hasCommitted'] = (session, seq) =>
    this.#call((inner) => inner.hasCommitted(session, seq))
  currents: Store['currents'] = (keys) => this.#call((inner) => inner.currents(keys))
  executions: Store['executions'] = (runIds) => this.#call((inner) => inner.executions(runIds))
  journal: Store['journal'] = (runId, afterSeq, limit) =>
    this.#call((inner) => inner.journal(runId, afterSeq, limit))
  lastEntry: Store['lastEntry'] = (runId) => this.#call((inner) => inner.lastEntry(runId))
  recoverable: Store['recoverable'] = (after, limit) => this.#call((inner) => inner.recoverable(after, limit))
  countOpen: Store['countOpen'] = (...given) => this.#call((inner) => inner.countOpen(...given))
  timers: Store['timers'] = (page) => this.#call((inner) => inner.timers(page))
  outbox: Store['outbox'] = (limit) => this.#call((inner) => inner.outbox(limit))
  list: Store['list'] = (query) => this.#call((inner) => inner.list(query))
  lastTaskSeq: Store['lastTaskSeq'] = () => this.#call((inner) => inner.lastTaskSeq())
  tasks: Store['tasks'] = (seqs) => this.#call((inner) => inner.tasks(seqs))
  taskSeqs: Store['taskSeqs'] = (keys) => this.#call((inner) => inner.taskSeqs(keys))
  keyHolders: Store['keyHolders'] = (keys) => this.#call((inner) => inner.keyHolders(keys))
  countOpenTasks: Store['countOpenTasks'] = (...given) =>
    this.#call((inner) => inner.countOpenTasks(...given))
  lanes: Store['lanes'] = () => this.#call((inner) => inner.lanes())
  waiting: Store['waiting'] = (page) => this.#call((inner) => inner.waiting(page))
  dueTasks: Store['dueTasks'] = (page) => this.#call((inner) => inner.dueTasks(page))
  listTasks: Store['listTasks'] = (query) => this.#call((inner) => inner.listTasks(query))

  schedules: Store['schedules'] = (keys) => this.#call((inner) => inner.schedules(keys))
  dueSchedules: Store['dueSchedules'] = (page) => this.#call((inner) => inner.dueSchedules(page))
  listSchedules: Store['listSchedules'] = (query) => this.#call((inner) => inner.listSchedules(query))
  queueSettings: Store['queueSettings'] = (query) => this.#call((inner) => inner.queueSettings(query))
  humanTasks: Store['humanTasks'] = (query) => this.#call((inner) => inner.humanTasks(query))
  registryRows: Store['registryRows'] = (query) => this.#call((inner) => inner.registryRows(query))
  registryMark: Store['registryMark'] = () => this.#call((inner) => inner.registryMark())
  auditRows: Store['auditRows'] = (query) => this.#call((inner) => inner.auditRows(query))
  auditSessions: Store['auditSessions'] = () => this.#call((inner) => inner.auditSessions())
  auditHeads: Store['auditHeads'] = (query) => this.#call((inner) => inner.auditHeads(query))

  /** The data stays open: histories are replayed after the engine has closed. */
  close: Store['close'] = async () => {}

  async #call<T>(call: (inner: Store) => Promise<T>): Promise<T> {
    if (this.#isDead) return unanswered()
    this.#inFlight += 1
    try {
      const result = await call(this.#store.inner)
      if (!this.#isDead) return result
    } catch (error) {
      if (!this.#isDead) throw error
    } finally {
      this.#inFlight -= 1
    }
    return unanswered()
  }

  async #delay(ms: number): Promise<void> {
    this.#delayed += 1
    await new Promise<void>((resolve) => void this.#clock.after(ms, resolve))
    this.#delayed -= 1
  }
}

function unanswered(): Promise<never> {
  return new Promise(() => {})
}
