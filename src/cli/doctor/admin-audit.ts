/**
 * What must hold for administrative objects, and for the chains of the audit trail.
 *
 * 1. The revision of an object is 1 or more; its body is JSON, or gone when it was deleted.
 * 2. The rows of a session are numbered without a gap, from 1, or from where they were dropped up to.
 *
 * That the hashes of a chain fit is not looked at here.
 */
import type { RegistryRow } from '../../store/contract/registry-rows.ts'
import type { Finding } from './finding.ts'

/** The rows of one session, counted. */
export interface StoredChain {
  readonly session: number
  readonly rows: number
  /** Of the rows that are there. */
  readonly firstSeq: number
  readonly lastSeq: number
  /** 0: none was. */
  readonly droppedSeq: number
}

export function auditRegistryRow(row: RegistryRow): Finding[] {
  const findings: Finding[] = []
  const name = [row.kind, ...(row.namespace === '' ? [] : [row.namespace]), row.id].join(' ')
  const report = (detail: string): void =>
    void findings.push({ code: 'registry-row', detail: `${name}: ${detail}` })
  if (!Number.isSafeInteger(row.revision) || row.revision < 1) report(`its revision is ${row.revision}`)
  if (row.body !== null && !isJson(row.body)) report('its text is no JSON')
  return findings
}

export function auditChain({ session, rows, firstSeq, lastSeq, droppedSeq }: StoredChain): Finding[] {
  if (rows === 0) return []
  const findings: Finding[] = []
  const report = (detail: string): void =>
    void findings.push({ code: 'audit-gap', detail: `session ${session}: ${detail}` })
  if (firstSeq !== droppedSeq + 1) report(`its first row is number ${firstSeq}, and not ${droppedSeq + 1}`)
  const missing = lastSeq - firstSeq + 1 - rows
  if (missing !== 0) report(`of its rows ${firstSeq} to ${lastSeq} ${missing} are missing`)
  return findings
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
