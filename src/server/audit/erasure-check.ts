/** A personal part that is gone must have been erased by a call, and a row of the trail tells of it. */
import { type AuditEntry, type AuditRange, type AuditRecord, ERASE_AUDIT } from '../../protocol/audit.ts'
import type { AuditFinding } from './audit-finding.ts'

interface Place {
  readonly session: number
  readonly seq: number
}

export class ErasureCheck {
  readonly #find: (finding: AuditFinding) => void
  readonly #missing: Place[] = []
  readonly #told = new Map<number, AuditRange[]>()

  constructor(find: (finding: AuditFinding) => void) {
    this.#find = find
  }

  get erased(): number {
    return this.#missing.length
  }

  row({ session, seq }: AuditRecord, { action, erases }: AuditEntry): void {
    if (erases === undefined) return
    if (action !== ERASE_AUDIT || !areRanges(erases)) {
      this.#find({ session, seq, detail: 'it tells of an erasure, and is none' })
      return
    }
    for (const range of erases) {
      const known = this.#told.get(range[0])
      if (known === undefined) this.#told.set(range[0], [range])
      else known.push(range)
    }
  }

  missing(place: Place): void {
    this.#missing.push(place)
  }

  finish(): void {
    for (const { session, seq } of this.#missing) {
      const isTold = this.#told.get(session)?.some(([, first, last]) => first <= seq && seq <= last) ?? false
      if (!isTold)
        this.#find({ session, seq, detail: 'its personal part is gone, and no row tells of an erasure' })
    }
  }
}

function areRanges(value: unknown): value is readonly AuditRange[] {
  return (
    Array.isArray(value) &&
    value.every(
      (each) =>
        Array.isArray(each) && each.length === 3 && each.every((number) => Number.isSafeInteger(number)),
    )
  )
}
