/**
 * Finds what was done to an audit trail that the engine did not do: edited, deleted, inserted in between, put in another order, cut
 * off, or made anew without the key.
 *
 * It is given the signed heads, then the rows, in order of (session, seq), then heads that came while the rows were read.
 *
 * 1. Each row follows from the one before it: a chain begins with its session, or with what a signed head says was dropped.
 * 2. Each row that a signed head names is there, with that hash. So all before it are as they were.
 * 3. Each head names the one before. That the newest ones, and the rows that only they name, were cut off shows against a
 *    head that was exported; what no head names yet is not protected against whoever can write the database.
 * 4. A trail that is held against keys has a head: the engine signs one within a minute of the first row, and deletes none.
 * 5. A personal part is that of the commitment, or it is gone and a row of the trail says so.
 */
import { entryHash, genesisHash, isHash } from '../../platform/audit/audit-hash.ts'
import { openedPersonal } from '../../platform/audit/personal-part.ts'
import type { TrustedKeys } from '../../platform/audit/signed-head.ts'
import { type AuditEntry, type AuditRecord, BEGIN_CHAIN, type SignedHead } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { Json } from '../../protocol/json.ts'
import type { AuditFinding } from './audit-finding.ts'
import type { AuditItem } from './audit-item.ts'
import { ErasureCheck } from './erasure-check.ts'
import { type HeadPlace, HeadVerification } from './head-verification.ts'

export interface AuditReport {
  readonly isWhole: boolean
  readonly rows: number
  readonly chains: number
  readonly heads: number
  /** Rows after the last one of their chain that a signed head names. */
  readonly unsigned: number
  /** Rows whose personal part was erased. */
  readonly erased: number
  readonly newest: { readonly number: number; readonly atMs: number } | undefined
  /** The first ones. */
  readonly findings: readonly AuditFinding[]
  /** All of them. */
  readonly found: number
}

export interface VerificationOptions {
  /** Undefined: signatures are not looked at. */
  readonly keys: TrustedKeys | undefined
}

const FINDINGS_MAX = 100

interface Chain {
  readonly session: number
  seq: number
  hash: string
}

/** Rows are missing before this one: a head that comes later may say that they were dropped. */
interface Gap {
  readonly session: number
  /** The last row that is there; 0: none. */
  readonly afterSeq: number
  readonly row: AuditRecord
}

export class AuditVerification {
  readonly #findings: AuditFinding[] = []
  #found = 0
  readonly #heads: HeadVerification
  readonly #erasures: ErasureCheck
  #chain: Chain | undefined
  #rows = 0
  #chains = 0
  #unsigned = 0
  /** The heads that come now came while the rows were read. */
  #isLate = false
  readonly #gaps: Gap[] = []
  /** Sessions whose last named row is not there. */
  readonly #short: HeadPlace[] = []
  readonly #seen = new Set<number>()

  readonly #isSigned: boolean

  constructor({ keys }: VerificationOptions) {
    this.#isSigned = keys !== undefined
    const find = (finding: AuditFinding): void => this.find(finding)
    this.#heads = new HeadVerification(keys, find)
    this.#erasures = new ErasureCheck(find)
  }

  find(finding: AuditFinding): void {
    this.#found += 1
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding)
  }

  take(item: AuditItem): void {
    if (item.kind === 'row') this.#row(item.row)
    else this.#head(item.head, item.kind === 'late-head')
  }

  #head(head: SignedHead, isLate: boolean): void {
    if (!isLate && (this.#isLate || this.#rows > 0))
      this.find({ head: head.number, detail: 'it is not in order' })
    this.#isLate ||= isLate
    this.#heads.take(head, isLate)
  }

  #row(row: AuditRecord): void {
    this.#rows += 1
    const { session, seq } = row
    if (this.#isLate) this.find({ session, seq, detail: 'it is not in order' })
    if (this.#chain === undefined || session > this.#chain.session) {
      this.#endChain()
      this.#begin(row)
    } else if (session < this.#chain.session || seq <= this.#chain.seq) {
      this.find({ session, seq, detail: 'it is not in order, or it is there twice' })
      return
    } else this.#follow(row, this.#chain)
    this.#chain = { session, seq, hash: row.hash }
    this.#content(row)
  }

  /** @param exported a signed head that was kept elsewhere */
  finish(exported?: SignedHead): AuditReport {
    this.#endChain()
    for (const gap of this.#gaps) this.#checkGap(gap)
    for (const place of this.#heads.places()) if (!this.#seen.has(place.session)) this.#short.push(place)
    for (const { session, seq, head } of this.#short)
      if ((this.#heads.droppedTo(session)?.seq ?? 0) < seq)
        this.find({ session, seq, head, detail: `head ${head} names it, and it is not there` })
    this.#erasures.finish()
    if (this.#isSigned && this.#heads.count === 0)
      this.find({ detail: 'no head is signed: it is less than a minute old, or rows and heads were deleted' })
    if (exported !== undefined) this.#heads.compare(exported)
    return {
      isWhole: this.#found === 0,
      rows: this.#rows,
      chains: this.#chains,
      heads: this.#heads.count,
      unsigned: this.#unsigned,
      erased: this.#erasures.erased,
      newest: this.#heads.newest,
      findings: this.#findings,
      found: this.#found,
    }
  }

  #begin(row: AuditRecord): void {
    const { session, seq } = row
    this.#chains += 1
    this.#seen.add(session)
    const dropped = this.#heads.droppedTo(session)
    if (dropped !== undefined && seq <= dropped.seq) {
      this.find({ session, seq, detail: `head ${dropped.head} says that it was dropped` })
      return
    }
    if (seq === 1) {
      const { action, incarnation } = entryOf(row) ?? {}
      if (action === BEGIN_CHAIN && typeof incarnation === 'string')
        this.#link(genesisHash(session, incarnation), row)
      else this.find({ session, seq, detail: 'it is first, and does not begin a chain' })
    } else if (dropped !== undefined && seq === dropped.seq + 1) this.#link(dropped.hash, row)
    else this.#gaps.push({ session, afterSeq: 0, row })
  }

  #follow(row: AuditRecord, chain: Chain): void {
    if (row.seq === chain.seq + 1) this.#link(chain.hash, row)
    else this.#gaps.push({ session: row.session, afterSeq: chain.seq, row })
  }

  #link(before: string, { session, seq, entry, hash }: AuditRecord): void {
    if (!isHash(before) || entryHash(before, entry) !== hash)
      this.find({ session, seq, detail: 'its hash is not that of its entry and of what is before it' })
  }

  /** All rows that are missing there must have been dropped together, while the trail was read. */
  #checkGap({ session, afterSeq, row }: Gap): void {
    const dropped = this.#heads.droppedTo(session)
    if (dropped !== undefined && dropped.seq === row.seq - 1) this.#link(dropped.hash, row)
    else {
      const first = afterSeq + 1
      const last = row.seq - 1
      const which =
        first === last ? `row ${first} of its chain is` : `rows ${first} to ${last} of its chain are`
      const detail = `${which} missing before it`
      this.find({ session, seq: row.seq, detail })
    }
  }

  #content(row: AuditRecord): void {
    const { session, seq } = row
    const place = this.#heads.placeAt(session, seq)
    if (place !== undefined && place.hash !== row.hash)
      this.find({ session, seq, head: place.head, detail: `it is not what head ${place.head} names` })
    if (seq > (this.#heads.lastOf(session)?.seq ?? 0)) this.#unsigned += 1
    const entry = entryOf(row)
    if (entry === undefined) {
      this.find({ session, seq, detail: 'its entry is not one that the engine has written' })
      return
    }
    if (entry.atMs !== row.atMs || entry.namespace !== row.namespace)
      this.find({ session, seq, detail: 'its time or its namespace is not that of its entry' })
    this.#erasures.row(row, entry)
    this.#personal(row, entry)
  }

  #personal({ session, seq, personal }: AuditRecord, { personal: commitment }: AuditEntry): void {
    if (personal === null) {
      if (commitment !== undefined) this.#erasures.missing({ session, seq })
      return
    }
    const opened = openedPersonal(personal)
    if (opened === undefined || opened.commitment !== commitment)
      this.find({ session, seq, detail: 'its personal part is not that of its entry' })
  }

  #endChain(): void {
    const chain = this.#chain
    if (chain === undefined) return
    const last = this.#heads.lastOf(chain.session)
    if (last !== undefined && last.seq > chain.seq) this.#short.push(last)
  }
}

function entryOf({ entry }: AuditRecord): AuditEntry | undefined {
  try {
    const value = JSON.parse(entry) as Json
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return canonicalJson(value) === entry ? (value as unknown as AuditEntry) : undefined
  } catch {
    return undefined
  }
}
