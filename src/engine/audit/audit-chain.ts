/**
 * The chain of the session: gives what is recorded its places, in the order of the commits.
 *
 * 1. Places are given when a batch is composed for the store, after what is known to be committed: a batch that was refused has
 *    taken none, and its parts are given theirs anew.
 * 2. Another session has another chain, which begins with a row of its own.
 */
import { entryHash, genesisHash } from '../../platform/audit/audit-hash.ts'
import { type AuditEntry, type AuditRecord, BEGIN_CHAIN } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'

type Draft = Pick<AuditRecord, 'atMs' | 'namespace' | 'entry' | 'personal'>

interface Session {
  readonly id: number
  readonly incarnation: string
}

export class AuditChain {
  #incarnation = ''
  #seq = 0
  #hash = ''

  /** What follows in the chain of this session. Nothing is kept of it until it is `committed`. */
  seal(session: Session, drafts: readonly Draft[]): readonly AuditRecord[] {
    const { id, incarnation } = session
    const isNew = incarnation !== this.#incarnation || this.#seq === 0
    const all = isNew ? [beginning(incarnation, drafts[0]?.atMs ?? 0), ...drafts] : drafts
    let seq = isNew ? 0 : this.#seq
    let hash = isNew ? genesisHash(id, incarnation) : this.#hash
    return all.map(({ atMs, namespace, entry, personal }) => {
      seq += 1
      hash = entryHash(hash, entry)
      return { session: id, seq, atMs, namespace, entry, hash, personal }
    })
  }

  /** The batch with these rows is in. */
  committed({ incarnation }: Session, rows: readonly AuditRecord[]): void {
    const last = rows.at(-1)
    if (last === undefined) return
    this.#incarnation = incarnation
    this.#seq = last.seq
    this.#hash = last.hash
  }
}

function beginning(incarnation: string, atMs: number): Draft {
  const entry: AuditEntry = {
    atMs,
    namespace: '',
    action: BEGIN_CHAIN,
    type: 'Audit',
    result: 'changed',
    incarnation,
  }
  return {
    atMs,
    namespace: '',
    entry: canonicalJson({ ...entry }),
    personal: null,
  }
}
