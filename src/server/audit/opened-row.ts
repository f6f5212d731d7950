/** A row of the trail, with what its texts say. */
import { openedPersonal } from '../../platform/audit/personal-part.ts'
import type { AuditEntry, AuditPersonal, AuditRecord } from '../../protocol/audit.ts'

export interface OpenedRow {
  readonly row: AuditRecord
  readonly entry: AuditEntry
  /** Undefined: there is none, or it was erased. */
  readonly personal: AuditPersonal | undefined
  readonly isErased: boolean
}

export function openedRow(row: AuditRecord): OpenedRow {
  const entry = JSON.parse(row.entry) as AuditEntry
  const personal = row.personal === null ? undefined : openedPersonal(row.personal)?.personal
  return { row, entry, personal, isErased: row.personal === null && entry.personal !== undefined }
}

/** Whether a row is about them; what is not given is not looked at. */
export function isAbout(
  { personal }: OpenedRow,
  { person, resource }: { readonly person?: string; readonly resource?: string },
): boolean {
  return (
    (person === undefined || personal?.caller === person || personal?.actor === person) &&
    (resource === undefined || personal?.resource === resource)
  )
}
