/**
 * The audit trail as JSON lines: signed heads, rows in order of (session, seq), and heads that came while the rows were read. Each
 * line is canonical JSON, so that no byte of it can be another one.
 */
import type { SignedHead } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { Json } from '../../protocol/json.ts'
import { integer, object, oneOf, type Shape, shaped, wellFormedText } from '../../protocol/shapes.ts'
import type { AuditItem } from './audit-item.ts'
import type { AuditVerification } from './audit-verification.ts'

export const EXPORT_HEADER = canonicalJson({ kind: 'audit', version: 1 })

// Not with lone surrogates, which have the bytes of U+FFFD and so its hash: what is written has none.
const anyText = wellFormedText(Number.POSITIVE_INFINITY)
const whole = integer(0)
const anyTextOrNone: Shape<string | null> = (value) => (value === null ? null : anyText(value))
const headShape = object({ number: whole, atMs: whole, body: anyText, signature: anyText, keyId: anyText })
const rowShape = object({
  session: whole,
  seq: whole,
  atMs: whole,
  namespace: anyText,
  entry: anyText,
  hash: anyText,
  personal: anyTextOrNone,
})
const kindShape = object({ kind: oneOf('head', 'row', 'late-head') })

export function lineOf(item: AuditItem): string {
  if (item.kind === 'row') return canonicalJson({ kind: 'row', ...item.row })
  return canonicalJson({ kind: item.kind, ...item.head })
}

/** Undefined: it is not one that `lineOf` has written. */
export function itemOf(line: string): AuditItem | undefined {
  try {
    const value = JSON.parse(line) as Json
    const { kind } = shaped(kindShape, value, 'a line')
    const item: AuditItem =
      kind === 'row'
        ? { kind, row: shaped(rowShape, value, 'a line') }
        : { kind, head: shaped(headShape, value, 'a line') }
    // It has nothing else, and is written so.
    return lineOf(item) === line ? item : undefined
  } catch {
    return undefined
  }
}

/** A head in a line of its own. */
export function headOf(line: string): SignedHead | undefined {
  const item = itemOf(line)
  return item === undefined || item.kind === 'row' ? undefined : item.head
}

/** Gives an exported trail, line by line, to its verification. The last line must end, too. */
export class LinesReader {
  readonly #verification: AuditVerification
  #number = 0
  #rest = ''

  constructor(verification: AuditVerification) {
    this.#verification = verification
  }

  take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#line(line)
  }

  end(): void {
    if (this.#rest !== '') this.#bad('it is not ended')
    else if (this.#number === 0) this.#bad('there is none')
  }

  #line(line: string): void {
    this.#number += 1
    if (this.#number === 1) {
      if (line !== EXPORT_HEADER) this.#bad('it is not the first line of an audit trail')
      return
    }
    const item = itemOf(line)
    if (item === undefined) this.#bad('it is not one that the engine has written')
    else this.#verification.take(item)
  }

  #bad(why: string): void {
    this.#verification.find({ detail: `line ${Math.max(this.#number, 1)}: ${why}` })
  }
}
