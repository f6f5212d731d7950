/**
 * Signs, each minute, where all chains stand; and drops what was kept long enough.
 *
 * 1. One node does so: the owner of a fixed shard. Who owned it before writes nothing any more when the next one reads.
 * 2. A chain is named up to what is committed. What comes late, or was not seen, the next head names.
 * 3. Rows are dropped in the commit of a head that says so, and only those that a head has named.
 * 4. An engine that closes signs twice: before it gives up its shards, and when the rows that were held back are committed.
 */
import { headHash, NO_HEAD } from '../../platform/audit/audit-hash.ts'
import { type AuditSigner as Key, signedHead } from '../../platform/audit/signed-head.ts'
import type { AuditHeadBody, ChainPlace } from '../../protocol/audit.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { AuditChainView, AuditHeadRow } from '../../store/contract/audit-rows.ts'
import type { Engine } from '../engine.ts'
import { AUDIT_RUN } from '../no-run.ts'
import { droppableRows } from './audit-retention.ts'

export interface AuditSignerOptions {
  readonly engine: Engine
  readonly key: Key
  /** Undefined: rows are kept. */
  readonly retentionMs: number | undefined
  /** Default 60,000. */
  readonly everyMs?: number
}

/** Names the shard whose owner signs: no execution has such an id. */
const SIGNED_AT = { namespace: '', workflowId: '\0audit' }
const EVERY_MS = 60_000
/** Looked at so often for what can be dropped. */
const DROP_EVERY_MS = 600_000
/** Heads that are read to know what they have named: what is older is named once more. */
const KNOWN_HEADS = 1000
const HEAD_PAGE = 200
/** Whoever closes waits so long for a store that does not answer: what is unsigned then, the next one signs. */
const STOP_MS = 5000
/** Chains that one head names. */
const LEAVES_MAX = 5000

export class AuditSigner {
  readonly #options: AuditSignerOptions
  /** Up to where heads have named each chain; undefined: not read yet. */
  #named: Map<number, number> | undefined
  /** The last head that this node has written or read. */
  #last = 0
  #cancel: (() => void) | undefined
  #lastAsked: Promise<void> = Promise.resolve()
  #isStopped = false
  #isFinishing = false
  #dropAtMs = 0

  constructor(options: AuditSignerOptions) {
    this.#options = options
  }

  /** Signs at once what was left unsigned, then each minute. */
  start(): void {
    this.#next(0)
  }

  /** Signs no more each minute, but at once, if this node does so at all. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    const { clock, logger } = this.#options.engine.options
    let cancel = (): void => {}
    const late = new Promise<'late'>((resolve) => {
      cancel = clock.after(STOP_MS, () => resolve('late'))
    })
    if ((await Promise.race([this.#tried(), late])) === 'late')
      logger.warn('the audit trail is not signed up to its end: the store has not answered', {
        withinMs: STOP_MS,
      })
    cancel()
  }

  /** Signs what came after `stop`, while the engine closes: its last rows are committed. */
  async finish(): Promise<void> {
    this.#isFinishing = true
    await this.#tried()
    this.#isFinishing = false
  }

  /** Resolves when what is committed now is named by a durable head; at once if that is for another node to do. */
  sign(): Promise<void> {
    // One after the other: each names the head before.
    const signing = this.#lastAsked.then(() => this.#sign())
    this.#lastAsked = signing.catch(() => {})
    return signing
  }

  async #sign(): Promise<void> {
    const { engine, retentionMs } = this.#options
    while (this.#isOwner()) {
      const isMore = await this.#write([])
      if (!isMore) break
    }
    const nowMs = engine.clock.nowMs()
    // Who stops waits for a last head, not for old rows to be dropped.
    if (retentionMs === undefined || nowMs < this.#dropAtMs || this.#isStopped) return
    this.#dropAtMs = nowMs + DROP_EVERY_MS
    while (this.#isOwner()) {
      const { store } = engine.options
      const { places, isMore } = await droppableRows(store, this.#named ?? new Map(), nowMs - retentionMs)
      if (places.length > 0) await this.#write(places)
      if (!isMore) break
    }
  }

  #next(delayMs: number): void {
    if (this.#isStopped) return
    const { engine, everyMs = EVERY_MS } = this.#options
    this.#cancel = engine.options.clock.after(delayMs, () => {
      void this.#tried().then(() => this.#next(everyMs))
    })
  }

  async #tried(): Promise<void> {
    const { engine } = this.#options
    try {
      await this.sign()
    } catch (error) {
      // Whoever owns the shard then does it.
      const isMoved = error instanceof PerdureError && ['UNCOMMITTED', 'ENGINE_CLOSED'].includes(error.code)
      if (!isMoved)
        engine.options.logger.warn('the audit trail could not be signed; it is tried again', { error })
    }
  }

  #isOwner(): boolean {
    const { engine } = this.#options
    const isCommitting = engine.isRunning || this.#isFinishing
    return isCommitting && (engine.ownership.isWhole || engine.ownership.ownsRunsOf(SIGNED_AT))
  }

  /** Writes a head if there is something to say. True: there are more chains to name. */
  async #write(dropped: readonly ChainPlace[]): Promise<boolean> {
    const { engine, key } = this.#options
    const { store } = engine.options
    const { losses } = engine.ownership
    const { generation } = engine
    const [last] = await store.auditHeads({ newestFirst: true, limit: 1 })
    if (this.#named === undefined || (last?.number ?? 0) !== this.#last) this.#named = await this.#read()
    const named = this.#named
    const grown = placesOf(await store.auditSessions(), named)
    const leaves = grown.slice(0, LEAVES_MAX)
    if (leaves.length === 0 && dropped.length === 0) return false
    // Another node may have written a head since.
    if (generation !== engine.generation || losses !== engine.ownership.losses || !this.#isOwner())
      return false
    const number = (last?.number ?? 0) + 1
    const prev = last === undefined ? NO_HEAD : headHash(last.body)
    const head = signedHead({ number, atMs: engine.clock.nowMs(), prev, leaves, dropped }, key)
    await this.#commit(head, dropped)
    this.#last = number
    for (const [session, seq] of leaves) named.set(session, seq)
    return grown.length > leaves.length
  }

  #commit(head: AuditHeadRow, dropped: readonly ChainPlace[]): Promise<void> {
    const { committer } = this.#options.engine
    return new Promise((resolve, reject) => {
      const writes = committer.writesFor(AUDIT_RUN)
      writes.addAuditHead(head)
      for (const [session, upToSeq] of dropped) writes.dropAudit({ session, upToSeq })
      committer.releaseAfterOpen(AUDIT_RUN, (lost) => (lost === undefined ? resolve() : reject(lost)))
      committer.touch()
    })
  }

  /** What the newest heads have named. */
  async #read(): Promise<Map<number, number>> {
    const { store } = this.#options.engine.options
    const named = new Map<number, number>()
    let after: number | undefined
    this.#last = 0
    for (let heads = 0; heads < KNOWN_HEADS; heads += HEAD_PAGE) {
      const at = after === undefined ? {} : { after }
      const page = await store.auditHeads({ newestFirst: true, limit: HEAD_PAGE, ...at })
      for (const { number, body } of page) {
        this.#last = Math.max(this.#last, number)
        const { leaves } = JSON.parse(body) as AuditHeadBody
        for (const [session, seq] of leaves) named.set(session, Math.max(seq, named.get(session) ?? 0))
        after = number
      }
      if (page.length < HEAD_PAGE) break
    }
    return named
  }
}

function placesOf(chains: readonly AuditChainView[], named: ReadonlyMap<number, number>): ChainPlace[] {
  return chains.flatMap(({ session, lastSeq, lastHash }): ChainPlace[] =>
    lastSeq > (named.get(session) ?? 0) ? [[session, lastSeq, lastHash]] : [],
  )
}
