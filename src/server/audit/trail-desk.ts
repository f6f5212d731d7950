/**
 * The audit trail, in the name of a caller. What REST offers.
 *
 * 1. A caller gets rows of namespaces in which it may read the audit trail, and of no others; and what belongs to no namespace if it
 *    may read it everywhere.
 * 2. An export has all rows or it fails: without one of them nobody could verify it.
 */
import type { SignedHead } from '../../protocol/audit.ts'
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { AuditKey } from '../../store/contract/audit-rows.ts'
import type { Access, Resource } from '../access/access.ts'
import { EXPORT_HEADER, lineOf } from './audit-lines.ts'
import type { EngineAudit } from './engine-audit.ts'
import { isAbout, type OpenedRow, openedRow } from './opened-row.ts'

export interface TrailQuery {
  /** Default: all in which the caller may read, if it may everywhere; else that of its credential. */
  readonly namespace?: string
  /** Who called, or has acted on a human task. */
  readonly person?: string
  /** Id of what a call was about. */
  readonly resource?: string
  /** At this time or later. */
  readonly sinceMs?: number
  /** Before this time. */
  readonly untilMs?: number
  readonly after?: AuditKey
  /** At most 1,000. */
  readonly limit: number
}

export interface TrailPage {
  readonly rows: readonly OpenedRow[]
  /** There is more after this row. */
  readonly next: AuditKey | undefined
}

export interface TrailDeskParts {
  readonly access: Access
  readonly trail: EngineAudit
}

type Right = 'ReadAudit' | 'ExportAudit' | 'EraseAuditPerson'

const PAGE_ROWS = 500
/** Rows that one call looks at: whoever asks for what is rare asks again. */
const LOOKED_MOST = 10_000
/** Each has a page of rows in memory. */
const EXPORTS_MOST = 4
const CHUNK_CHARACTERS = 64 * 1024

export class TrailDesk {
  readonly #parts: TrailDeskParts
  #exports = 0

  constructor(parts: TrailDeskParts) {
    this.#parts = parts
  }

  /** In order of (session, seq). A page may have fewer than `limit`, though there is more. @throws PerdureError `FORBIDDEN` */
  async rows(caller: Caller, query: TrailQuery): Promise<TrailPage> {
    const { person, resource, sinceMs, untilMs, limit } = query
    const namespace = await this.#readNamespace(caller, query.namespace)
    const isReadable = this.#permitted(caller, 'ReadAudit')
    const filter = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(sinceMs === undefined ? {} : { fromMs: sinceMs }),
      ...(untilMs === undefined ? {} : { toMs: untilMs }),
    }
    const about = {
      ...(person === undefined ? {} : { person }),
      ...(resource === undefined ? {} : { resource }),
    }
    const found: OpenedRow[] = []
    let { after } = query
    for (let looked = 0; looked < LOOKED_MOST; looked += PAGE_ROWS) {
      const at = after === undefined ? {} : { after }
      const page = await this.#parts.trail.rows({ ...filter, ...at, limit: PAGE_ROWS })
      for (const row of page) {
        const opened = openedRow(row)
        if (!isReadable(row.namespace) || !isAbout(opened, about)) continue
        if (found.length === limit) return { rows: found, next: keyOf(found.at(-1)?.row) }
        found.push(opened)
      }
      if (page.length < PAGE_ROWS) return { rows: found, next: undefined }
      after = keyOf(page.at(-1))
    }
    return { rows: found, next: after }
  }

  /** Signed heads, the newest first. They are of the whole trail. @throws PerdureError `FORBIDDEN` */
  async heads(
    caller: Caller,
    query: { readonly before?: number; readonly limit: number },
  ): Promise<readonly SignedHead[]> {
    const { access, trail } = this.#parts
    await access.assertMay(caller, 'ReadAudit', resourceIn(undefined))
    return await trail.heads(query)
  }

  /**
   * The whole trail as JSON lines, in pieces, as `perdure audit verify` takes it. What is not taken is not read.
   *
   * @throws PerdureError `FORBIDDEN`, `OVERLOADED`; while it is read: `FORBIDDEN` if a row is of a namespace that the caller may not export
   */
  async exported(caller: Caller): Promise<AsyncIterable<string>> {
    await this.#parts.access.assertMay(caller, 'ExportAudit', resourceIn(undefined))
    if (this.#exports >= EXPORTS_MOST)
      throw new PerdureError('OVERLOADED', `${EXPORTS_MOST} exports of the audit trail are going on`)
    return this.#pieces(caller)
  }

  /**
   * Erases who called, from where, and ids, of rows that fit all that is given.
   *
   * @param target `namespace`: default all, which needs the right everywhere; a namespace in which a policy forbids it is left out
   * @returns the number of rows, when it is durable
   * @throws PerdureError `FORBIDDEN`, `ARGUMENT_INVALID`
   */
  async erase(
    caller: Caller,
    target: { readonly person?: string; readonly resource?: string; readonly namespace?: string },
  ): Promise<number> {
    const { access, trail } = this.#parts
    const policies = await access.assertMay(caller, 'EraseAuditPerson', resourceIn(target.namespace))
    const isErasable = this.#permitted(caller, 'EraseAuditPerson')
    return await trail.eraseFor({ caller, policies }, { ...target, isErasable })
  }

  async *#pieces(caller: Caller): AsyncGenerator<string> {
    const { access, trail } = this.#parts
    const isExportable = this.#permitted(caller, 'ExportAudit')
    this.#exports += 1
    try {
      let piece = `${EXPORT_HEADER}\n`
      for await (const item of trail.items()) {
        if (item.kind === 'row' && !isExportable(item.row.namespace))
          await access.assertMay(caller, 'ExportAudit', resourceIn(item.row.namespace))
        piece += `${lineOf(item)}\n`
        if (piece.length < CHUNK_CHARACTERS) continue
        yield piece
        piece = ''
      }
      if (piece !== '') yield piece
    } finally {
      this.#exports -= 1
    }
  }

  /** Undefined: all. @throws PerdureError `FORBIDDEN` */
  async #readNamespace(caller: Caller, given: string | undefined): Promise<string | undefined> {
    const { access } = this.#parts
    if (given === undefined && access.isPermitted(caller, 'ReadAudit', resourceIn(undefined)))
      return undefined
    const namespace = given ?? caller.namespace
    await access.assertMay(caller, 'ReadAudit', resourceIn(namespace))
    return namespace
  }

  /** Asked once for each namespace. */
  #permitted(caller: Caller, right: Right): (namespace: string) => boolean {
    const known = new Map<string, boolean>()
    return (namespace) => {
      const told = known.get(namespace)
      if (told !== undefined) return told
      const isPermitted = this.#parts.access.isPermitted(caller, right, resourceIn(namespace))
      known.set(namespace, isPermitted)
      return isPermitted
    }
  }
}

/** Undefined, or empty: what belongs to none. */
function resourceIn(namespace: string | undefined): Resource {
  return { type: 'Audit', id: '', ...(namespace === undefined || namespace === '' ? {} : { namespace }) }
}

function keyOf(row: AuditKey | undefined): AuditKey | undefined {
  return row === undefined ? undefined : { session: row.session, seq: row.seq }
}
