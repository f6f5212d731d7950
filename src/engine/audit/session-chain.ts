/**
 * The chain of the session: gives what is recorded its places, in the order of the commits.
 *
 * 1. Places are given when a batch is composed for the store, after what is known to be committed: a batch that was refused has
 *    taken none, and its parts are given theirs anew.
 * 2. Another session has another chain, which begins with a row of its own.
 */
import { entryHash, genesisHash } from '../../platform/audit/audit-hash.ts'
import { type AuditEntry, BEGIN_CHAIN } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { AuditDraft, AuditRow } from '../../store/contract/audit-rows.ts'
import type { Session } from '../../store/contract/rows.ts'
import type { AuditChain } from '../audit-chain.ts'

export class SessionChain implements AuditChain {
  /** The last row of the session that is committed. */
  #last: AuditRow | undefined

  readonly seal = ({ id, incarnation }: Session, drafts: readonly AuditDraft[]): readonly AuditRow[] => {
    const last = this.#last?.session === id ? this.#last : undefined
    const all = last === undefined ? [beginning(incarnation, drafts[0]?.atMs ?? 0), ...drafts] : drafts
    let seq = last?.seq ?? 0
    let hash = last?.hash ?? genesisHash(id, incarnation)
    return all.map(({ atMs, namespace, entry, personal }) => {
      seq += 1
      hash = entryHash(hash, entry)
      return { session: id, seq, atMs, namespace, entry, hash, personal }
    })
  }

  committed(rows: readonly AuditRow[]): void {
    this.#last = rows.at(-1) ?? this.#last
  }
}

function beginning(incarnation: string, atMs: number): AuditDraft {
  const entry: AuditEntry = {
    atMs,
    namespace: '',
    action: BEGIN_CHAIN,
    type: 'Audit',
    result: 'changed',
    incarnation,
  }
  return { atMs, namespace: '', entry: canonicalJson({ ...entry }), personal: null }
}
