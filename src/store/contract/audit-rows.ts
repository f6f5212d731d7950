/**
 * The audit trail: who did what. Each row is written in the batch of the change that it records.
 *
 * 1. The rows of a session are a chain: `seq` counts 1, 2, 3, … in the order of commits, and each hash covers the entry and
 *    the hash before it.
 * 2. Rows are never changed, but for `personal`, which no hash covers and which may be erased.
 * 3. Only the beginning of a chain can be dropped. The hash of its last row stays, so that the rest can still be verified.
 */
import type { Session } from './rows.ts'

export interface AuditKey {
  /** Id of the session that wrote it. */
  readonly session: number
  readonly seq: number
}

/** What is to be recorded, before it has its place in the chain. */
export interface AuditDraft {
  readonly atMs: number
  /** Empty for what belongs to no namespace. */
  readonly namespace: string
  /** JSON. */
  readonly entry: string
  /** JSON, never empty; null: there is nothing personal. */
  readonly personal: string | null
}

export interface AuditRow extends AuditKey, AuditDraft {
  /** SHA-256, in hexadecimal digits. */
  readonly hash: string
}

/**
 * Gives drafts their places, in the order given, after what the session is known to have committed. Called again for the same
 * drafts if the store refuses the batch, or if another session has to write it: it must keep nothing of a call.
 */
export type SealAudit = (session: Session, drafts: readonly AuditDraft[]) => readonly AuditRow[]

/** A signed head of the tree of all chains. */
export interface AuditHeadRow {
  /** 1, 2, 3, … */
  readonly number: number
  readonly atMs: number
  /** JSON. */
  readonly body: string
  readonly signature: string
  readonly keyId: string
}

/** The rows of a session up to this one, which is one of them or was. */
export interface AuditDrop {
  readonly session: number
  readonly upToSeq: number
}

export interface AuditQuery {
  readonly session?: number
  readonly namespace?: string
  /** At this time or later. */
  readonly fromMs?: number
  /** Before this time. */
  readonly toMs?: number
  /** Only those after it, in order of (session, seq). */
  readonly after?: AuditKey
  readonly limit: number
}

export interface AuditHeadQuery {
  /** Only those after it; with `newestFirst` those before it. */
  readonly after?: number
  readonly newestFirst?: boolean
  readonly limit: number
}

/** The chain of one session. */
export interface AuditChainView {
  readonly session: number
  /** Of the rows that are there; one more than `lastSeq` if none is. */
  readonly firstSeq: number
  /** Of the last row ever, also if it was dropped. */
  readonly lastSeq: number
  readonly lastHash: string
  /** The last row that was dropped. */
  readonly dropped: { readonly seq: number; readonly hash: string } | undefined
}

export interface AuditReads {
  /** In order of (session, seq). */
  auditRows(query: AuditQuery): Promise<readonly AuditRow[]>
  /** All sessions that have or had rows, in order of their ids. It costs nothing that grows with the number of rows. */
  auditSessions(): Promise<readonly AuditChainView[]>
  /** In order of their numbers. */
  auditHeads(query: AuditHeadQuery): Promise<readonly AuditHeadRow[]>
}
