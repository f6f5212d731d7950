/**
 * The registry of an engine. One node owns it, that of a fixed shard, and makes all changes; the others have it in memory, and look
 * now and then whether it has changed.
 *
 * 1. What `get` and `list` answer is durable. A change that is on its way to the store is seen by the next change only, which is
 *    compared with it; if the first one is dropped, so is the second, which was built on it.
 * 2. The owner has every row: it has looked since it became the owner, and nobody else has written since.
 * 3. An answer that needs no commit, such as that a revision is another one, waits until the session is found to count still.
 * 4. Times of changes never fall, whichever object and whichever owner: what is newer than the newest that is known is all that
 *    can be missing. The mark of the store is compared afterwards, and everything is read if it differs still.
 */
import { currentCall } from '../../platform/call-context.ts'
import type { Clock } from '../../platform/clock.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type RunId, registryShardOf } from '../../protocol/ids.ts'
import type { Json } from '../../protocol/json.ts'
import type {
  RegistryKey,
  RegistryQuery,
  RegistryReads,
  RegistryRow,
} from '../../store/contract/registry-rows.ts'
import type { Session } from '../../store/contract/rows.ts'
import type { AuditDesk } from '../audit/audit-desk.ts'
import type { ClusterParts } from '../cluster/cluster-parts.ts'
import { moved, type Ownership } from '../cluster/ownership.ts'
import type { Committer } from '../committer.ts'
import { NO_RUN } from '../no-run.ts'
import { type KnownRow, RegistryEntries, rowText } from './registry-entries.ts'
import {
  checkedChange,
  type OnRegistryChange,
  REGISTRY_LIMITS,
  type Registry,
  type RegistryChange,
  type RegistryEntry,
  type RegistryLimits,
  type RegistryPutOptions,
  type RegistryReply,
} from './registry-port.ts'

export interface RegistryEngine {
  readonly options: { readonly store: RegistryReads; readonly cluster?: ClusterParts }
  readonly session: Session
  readonly committer: Committer
  readonly ownership: Ownership
  readonly clock: Clock
  readonly audit: AuditDesk | undefined
  newRunId(): RunId
  assertOpen(): void
  assertIntake(): void
  fail(cause: unknown): void
}

const PAGE_ROWS = 500
/** Others may write while it is read. */
const LOOKS = 3

/** A change that is in a batch, and not known to be durable. */
interface PendingChange {
  readonly row: RegistryRow
  readonly batch: Committer['open']
}

/** What an object is now, durable or not. */
interface Current {
  readonly revision: number
  readonly changedMs: number
  readonly request: string
  readonly isLiving: boolean
}

interface Size {
  readonly living: number
  readonly rows: number
  readonly bytes: number
}

export class RegistryDesk implements Registry {
  readonly #engine: RegistryEngine
  readonly #limits: RegistryLimits
  readonly #entries: RegistryEntries
  readonly #pending = new Map<string, PendingChange>()
  /** How a change gets to the owner. Alone: that is here. */
  #route: (change: RegistryChange) => Promise<RegistryReply> = (change) => this.putHere(change)
  /** Reads of the store, one after the other. */
  #reading: Promise<void> = Promise.resolve()
  #newestMs = 0

  constructor(engine: RegistryEngine, limits = REGISTRY_LIMITS) {
    this.#engine = engine
    this.#limits = limits
    this.#entries = new RegistryEntries((error) => engine.fail(error))
  }

  get(kind: string, namespace: string, id: string): RegistryEntry | undefined {
    return this.#entries.get(kind, namespace, id)
  }

  list(kind: string, namespace?: string): readonly RegistryEntry[] {
    return this.#entries.list(kind, namespace)
  }

  follow(kind: string, onChange: OnRegistryChange): () => void {
    return this.#entries.follow(kind, onChange)
  }

  async put(
    key: RegistryKey,
    body: Json | undefined,
    options: RegistryPutOptions = {},
  ): Promise<RegistryEntry | undefined> {
    const request = this.#engine.newRunId()
    const { entryBytes } = this.#limits
    const { ifRevision, ...change } = checkedChange(key, body, options, { request, entryBytes })
    const reply = await this.#route(ifRevision === undefined ? change : { ...change, ifRevision })
    const { revision, changedMs, isChanged } = reply
    if (!isChanged) return undefined
    return this.#entries.merge({ ...change, revision, changedMs })
  }

  /** In a cluster: changes go to whoever owns the registry, which may be this engine; asked again, they are not done twice. */
  routeBy(route: (change: RegistryChange) => Promise<RegistryReply>): void {
    this.#route = route
  }

  /** A change, if this engine owns the registry. Resolves when it is durable. */
  async putHere(change: RegistryChange): Promise<RegistryReply> {
    for (;;) {
      this.#engine.assertIntake()
      await this.#read()
      this.#engine.assertOpen()
      this.#assertOwned()
      const { session } = this.#engine
      const pending = this.#pending.get(rowText(change))
      const current = currentOf(pending, this.#entries.row(change))
      if (current?.request === change.request) {
        await this.#durable(pending)
        return replyOf(current, true)
      }
      const problem = this.#problemOf(change, current)
      const isDone = change.body === null && current?.isLiving !== true
      if (problem === undefined && !isDone) {
        const next = this.#write(change, current?.revision ?? 0)
        await this.#durable(next)
        return replyOf(next.row, true)
      }
      // What this answer goes by may be dropped still: then it is looked at again.
      if (!(await this.#isDurable(pending))) continue
      await this.#assertNewest(session)
      if (problem !== undefined) throw problem
      return replyOf(current ?? { revision: 0, changedMs: 0 }, false)
    }
  }

  /** Reads all of it anew. What is known stays in force meanwhile. */
  load(): Promise<void> {
    const loading = this.#inTurn(() => this.#loadAll())
    // Without it nothing may be changed.
    this.#reading = loading
    return loading
  }

  /** Follows what the store has. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const { store } = this.#engine.options
      for (let look = 0; look < LOOKS; look++) {
        const { count, revisions, changedMs } = await store.registryMark()
        const { mark } = this.#entries
        if (mark.count === count && mark.revisions === revisions && mark.changedMs === changedMs) return
        for (const row of await this.#rows({ changedFromMs: mark.changedMs })) this.#entries.merge(row)
      }
      await this.#loadAll()
    })
  }

  async #loadAll(): Promise<void> {
    this.#entries.beginReplacing()
    this.#entries.replace(await this.#rows({}))
  }

  async #rows(query: Pick<RegistryQuery, 'changedFromMs'>): Promise<readonly RegistryRow[]> {
    const rows: RegistryRow[] = []
    for (let after: RegistryKey | undefined; ; after = rows.at(-1)) {
      const at = after === undefined ? {} : { after }
      const page = await this.#engine.options.store.registryRows({ ...query, ...at, limit: PAGE_ROWS })
      rows.push(...page)
      if (page.length < PAGE_ROWS) return rows
    }
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const turn = this.#reading.then(read, read)
    // The next look comes.
    this.#reading = turn.catch(() => {})
    return turn
  }

  /** Everything that was to be read has been read. */
  async #read(): Promise<void> {
    for (let reading: Promise<void> | undefined; reading !== this.#reading; ) {
      reading = this.#reading
      await reading
    }
  }

  #assertOwned(): void {
    const { ownership } = this.#engine
    if (!ownership.isWhole && !ownership.isOpen(registryShardOf(ownership.shards))) throw movedRegistry()
  }

  /** What was in memory leaves without a commit: the next owner may have gone on already. */
  async #assertNewest(session: Session): Promise<void> {
    const { cluster } = this.#engine.options
    if (cluster === undefined) return
    if (!(await cluster.isAlive()) || session !== this.#engine.session) throw movedRegistry()
  }

  /** Why it cannot be done. */
  #problemOf(change: RegistryChange, current: Current | undefined): PerdureError | undefined {
    const { kind, id, body, ifRevision, always } = change
    const revision = current?.isLiving === true ? current.revision : 0
    if (ifRevision !== undefined && ifRevision !== revision)
      return new PerdureError(
        'REVISION_CONFLICT',
        revision === 0
          ? `there is no ${kind} ${id}, so it does not have revision ${ifRevision}`
          : `${kind} ${id} has revision ${revision}, not ${ifRevision}`,
      )
    return body === null || always === true ? undefined : this.#roomProblem(change)
  }

  /** What makes nothing larger is let through, also where there is too much already. */
  #roomProblem(change: RegistryChange): PerdureError | undefined {
    const { entries, rows, totalBytes, entryBytes } = this.#limits
    const { living, bytes, mark } = this.#entries
    const most = this.#pending.size + 1
    // Far from full, which is nearly always so, nothing is counted.
    if (living + most <= entries && mark.count + most <= rows && bytes + most * entryBytes <= totalBytes)
      return undefined
    const changes = new Map([...this.#pending].map(([text, { row }]) => [text, row.body]))
    const before = this.#sizeWith(changes)
    const after = this.#sizeWith(changes.set(rowText(change), change.body))
    const full = (what: string): PerdureError =>
      new PerdureError('QUOTA_EXCEEDED', `${change.kind} ${change.id} is one too many: ${what}`)
    if (after.living > entries && after.living > before.living)
      return full(`there are ${before.living} administrative objects, and at most ${entries} are kept`)
    if (after.rows > rows && after.rows > before.rows)
      return full(
        `of ${before.rows} objects, deleted ones included, revisions are kept, and that is the most`,
      )
    if (after.bytes > totalBytes && after.bytes > before.bytes)
      return full(
        `administrative objects have ${before.bytes} bytes in all, and at most ${totalBytes} are kept`,
      )
    return undefined
  }

  /** As it will be with these changes, by their keys. */
  #sizeWith(changes: ReadonlyMap<string, string | null>): Size {
    let { living, bytes } = this.#entries
    let rows = this.#entries.mark.count
    for (const [text, body] of changes) {
      const known = this.#entries.rowAt(text)
      if (known === undefined) rows += 1
      living += (body === null ? 0 : 1) - (known?.isLiving === true ? 1 : 0)
      bytes += (body === null ? 0 : Buffer.byteLength(body)) - (known?.bytes ?? 0)
    }
    return { living, rows, bytes }
  }

  #write({ kind, namespace, id, body, request }: RegistryChange, revision: number): PendingChange {
    const { committer, clock, audit } = this.#engine
    this.#newestMs = Math.max(clock.nowMs(), this.#entries.mark.changedMs, this.#newestMs)
    const key = { kind, namespace, id }
    const row = { ...key, revision: revision + 1, body, changedMs: this.#newestMs, request }
    committer.writesFor(NO_RUN).putRegistry(row)
    if (audit !== undefined) audit.changed(currentCall(), NO_RUN)
    const pending = { row, batch: committer.open }
    const text = rowText(key)
    this.#pending.set(text, pending)
    this.#wait(pending, (dropped) => {
      if (this.#pending.get(text) === pending) this.#pending.delete(text)
      if (dropped === undefined) this.#entries.merge(row)
    })
    committer.touch()
    return pending
  }

  #wait({ batch }: PendingChange, release: (dropped: Error | undefined) => void): void {
    this.#engine.committer.wait({ batch }, { runId: NO_RUN, isStep: false, release })
  }

  /** Resolves when it is durable, and in force; rejects when it never will be. */
  #durable(pending: PendingChange | undefined): Promise<void> {
    if (pending === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#wait(pending, (dropped) => (dropped === undefined ? resolve() : reject(dropped)))
    })
  }

  async #isDurable(pending: PendingChange | undefined): Promise<boolean> {
    try {
      await this.#durable(pending)
      return true
    } catch (error) {
      if (error instanceof PerdureError && error.code === 'UNCOMMITTED') return false
      throw error
    }
  }
}

function movedRegistry(): PerdureError {
  return moved('the registry of administrative objects')
}

function currentOf(pending: PendingChange | undefined, known: KnownRow | undefined): Current | undefined {
  if (pending === undefined) return known
  const { revision, changedMs, request, body } = pending.row
  return { revision, changedMs, request, isLiving: body !== null }
}

function replyOf(
  { revision, changedMs }: Pick<Current, 'revision' | 'changedMs'>,
  isChanged: boolean,
): RegistryReply {
  return { revision, changedMs, isChanged }
}
